// Waits for a namespace by watching it: what the API server says is acted on when it says it.
import type { WorkloadName } from "../domain/blueprint.ts";
import type { ClusterHooks } from "../domain/cluster.ts";
import { Failure } from "../failure.ts";
import type { Client } from "./client.ts";
import type { Collection } from "./follow.ts";
import { followUntil, type Look } from "./follow-until.ts";
import { isBeingDeleted, type Namespace } from "./objects.ts";
import { makeProgress, presentWorkload } from "./progress.ts";
import {
	makeNamespaceSource,
	makeSource,
	makeWarningSource,
} from "./sources.ts";
import { makeTeller } from "./teller.ts";
import {
	decideWorkloads,
	isClaim,
	pickWorkloads,
	type Snapshot,
	type Workload,
} from "./workloads.ts";

interface Seen extends Snapshot {
	readonly namespaces: readonly Namespace[];
}

/** See `Cluster.waitUntilReady`. */
export const waitUntilReady = (
	client: Client,
	namespace: string,
	hooks: ClusterHooks,
): Promise<void> => wait(client, { namespace, only: undefined }, hooks);

/** See `Cluster.waitUntilRolledOut`. */
export const waitUntilRolledOut = (
	client: Client,
	goal: {
		readonly namespace: string;
		readonly only: readonly WorkloadName[];
	},
	hooks: ClusterHooks,
): Promise<void> => wait(client, goal, hooks);

async function wait(
	client: Client,
	{
		namespace,
		only,
	}: {
		readonly namespace: string;
		readonly only: readonly WorkloadName[] | undefined;
	},
	hooks: ClusterHooks,
): Promise<void> {
	const teller = makeTeller(hooks.onEvent);
	const advance = makeProgress(client.limits);
	let workloads: Workload[] = [];

	function look(seen: Seen): Look<Failure | undefined> {
		checkNamespace(seen.namespaces[0], namespace);
		const all = decideWorkloads(seen);
		workloads = only === undefined ? all : pickWorkloads(all, only);
		const step = advance(workloads, performance.now());
		teller.tell(step.events);
		if (step.failure !== undefined) return { result: step.failure };
		const isReady =
			workloads.every(({ verdict }) => verdict.state === "ready") &&
			(only !== undefined || !workloads.every(isClaim));
		return isReady ? { result: undefined } : step;
	}

	const failure = await followUntil<Seen, Failure | undefined>(client, {
		signal: hooks.signal,
		sources: listSources(namespace),
		look,
		presentState: () => presentUnready(namespace, workloads),
	});
	await teller.finish();
	if (failure !== undefined) throw failure;
}

function checkNamespace(found: Namespace | undefined, namespace: string): void {
	if (found === undefined) {
		throw new Failure({
			code: "not_found",
			message: `The namespace ${namespace} does not exist: it was never made, or somebody deleted it.`,
			advice: "Apply the environment again.",
		});
	}
	if (isBeingDeleted(found)) {
		throw new Failure({
			code: "conflict",
			message: `The namespace ${namespace} is being deleted: nothing in it will become ready.`,
			advice: "Find out who deletes it before you apply the environment again.",
		});
	}
}

const listSources = (
	namespace: string,
): { readonly [Name in keyof Seen]: Collection } => ({
	namespaces: makeNamespaceSource(namespace),
	deployments: makeSource(namespace, "deployments"),
	statefulSets: makeSource(namespace, "statefulsets"),
	replicaSets: makeSource(namespace, "replicasets"),
	jobs: makeSource(namespace, "jobs"),
	pods: makeSource(namespace, "pods"),
	claims: makeSource(namespace, "persistentvolumeclaims"),
	events: makeWarningSource(namespace),
});

/** For the one who finds that the time is up: what it was that took so long. */
function presentUnready(
	namespace: string,
	workloads: readonly Workload[],
): string {
	const unready = workloads.flatMap((workload) => {
		const { verdict } = workload;
		if (verdict.state === "ready") return [];
		const why =
			verdict.state === "stuck"
				? `${verdict.reason}. ${verdict.message}`
				: verdict.reason;
		return `${presentWorkload(workload)} (${why})`;
	});
	const state =
		workloads.length === 0
			? "No workload was seen in it."
			: `Not ready: ${unready.join(", ")}.`;
	return `Waiting for namespace ${namespace} was ended. ${state}`;
}
