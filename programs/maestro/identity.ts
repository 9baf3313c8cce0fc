// Who the pods of an environment are: one account for all of them, which may do nothing and has no token in any pod,
// and which brings the credentials of the registry.
import * as kubernetes from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { labelsOf } from "./conventions.ts";
import { accountName } from "./pods.ts";

const registrySecret = "registry";

/** Declares the account, and the registry's Secret where the target has one. A pod without its account is not admitted. */
export function createIdentity(
	pullSecret: string | null,
): kubernetes.core.v1.ServiceAccount {
	if (pullSecret !== null) createRegistrySecret(pullSecret);
	return new kubernetes.core.v1.ServiceAccount(accountName, {
		metadata: {
			name: accountName,
			labels: labelsOf({ name: accountName, component: "identity" }),
		},
		automountServiceAccountToken: false,
		...(pullSecret === null
			? {}
			: { imagePullSecrets: [{ name: registrySecret }] }),
	});
}

function createRegistrySecret(dockerConfiguration: string): void {
	new kubernetes.core.v1.Secret(registrySecret, {
		metadata: {
			name: registrySecret,
			labels: labelsOf({ name: registrySecret, component: "secret" }),
		},
		type: "kubernetes.io/dockerconfigjson",
		stringData: pulumi.secret({ ".dockerconfigjson": dockerConfiguration }),
	});
}
