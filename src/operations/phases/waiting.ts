// Waits until the cluster is as wished: everything ready, or, after a destroy, everything gone.
import { requireNothingLeft } from "../nothing-left.ts";
import { identify } from "../roll-out.ts";
import { take, type Work } from "../work.ts";

export async function waitForCluster(work: Work): Promise<void> {
	const { operation, signal, record } = work;
	const cluster = take(work, "cluster");
	const { id, namespace } = take(work, "environment");
	const hooks = { signal, onEvent: record };
	if (operation.kind === "destroy") {
		// The engine has ordered the deletion of what its state knows. This also deletes what an interrupted
		// create made and never wrote into the state.
		await cluster.deleteNamespace(namespace, id, hooks);
		await requireNothingLeft(work);
	} else {
		const { rolledOut } = work.findings;
		await cluster.waitUntilReady(namespace, {
			signal,
			onEvent(event) {
				// At zero it is as it should be, and not what a reader calls ready.
				if (event.type === "workload.ready" && operation.kind === "hibernate")
					return;
				if (
					event.type === "workload.ready" &&
					rolledOut?.has(identify(event.data))
				)
					return;
				record(event);
			},
		});
	}
}
