import { Failure } from "../failure.ts";
import { makeClient } from "./client.ts";
import { defaultLimits } from "./limits.ts";
import type { Namespace } from "./objects.ts";

const path = "/api/v1/namespaces/kube-system";

/**
 * Names a cluster whatever its address is: by the uid of its namespace `kube-system`, which lives as long as
 * the cluster. Throws `not_set_up` or `unavailable`.
 */
export async function identifyCluster(kubeconfig: string): Promise<string> {
	const client = makeClient(kubeconfig, defaultLimits);
	try {
		const answer = await client.send<Namespace>({
			what: "get the namespace kube-system",
			path,
			signal: new AbortController().signal,
		});
		const uid = answer.ok ? answer.body.metadata?.uid : undefined;
		if (uid !== undefined) return uid;
	} finally {
		client.close();
	}
	throw new Failure({
		code: "not_set_up",
		message: `What answers at ${client.address} is no Kubernetes cluster: it has no namespace kube-system.`,
		advice: "Check the server's address in the target's kubeconfig.",
	});
}
