// The one provider and the one namespace of an environment.
import * as kubernetes from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { BlueprintInput } from "../../src/domain/blueprint.ts";
import { engineAnnotations, labelsOf, ownershipLabels } from "./conventions.ts";

export function createProvider(
	target: BlueprintInput["target"],
): kubernetes.Provider {
	return new kubernetes.Provider("kubernetes", {
		kubeconfig: pulumi.secret(target.kubeconfig),
		// Without it a new address or certificate of the same cluster would replace every object.
		clusterIdentifier: target.clusterIdentifier,
		// The defaults of 50 and 120 are felt in a topology of this size.
		kubeClientSettings: { qps: 500, burst: 1000 },
		enableServerSideApply: true,
		// A changed value is written in place; otherwise the object would be deleted first, under running pods.
		enableConfigMapMutable: true,
		enableSecretMutable: true,
	});
}

/** Its labels say whose it is: a namespace of the same name without them is somebody else's. */
export function createNamespace(
	input: BlueprintInput,
	provider: kubernetes.Provider,
): kubernetes.core.v1.Namespace {
	return new kubernetes.core.v1.Namespace(
		input.namespace,
		{
			metadata: {
				name: input.namespace,
				labels: {
					...input.labels,
					"pod-security.kubernetes.io/enforce":
						input.target.settings.podSecurity,
					"pod-security.kubernetes.io/warn": "restricted",
					"pod-security.kubernetes.io/audit": "restricted",
					...ownershipLabels(input),
					...labelsOf({ name: "maestro", component: "namespace" }),
				},
				annotations: engineAnnotations,
			},
		},
		{ provider },
	);
}
