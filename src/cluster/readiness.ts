// Whether an object is ready, and if not, why. Pure. The rules for "rolled out" are those of kubectl's rollout
// status (kubectl/pkg/polymorphichelpers/rollout_status.go) and of kstatus; the reasons come from the pods.

import { decideFailedCreate, explainFailedCreate } from "./failed-create.ts";
import {
	type Deployment,
	findCondition,
	findName,
	isBeingDeleted,
	isOwnedBy,
	type Job,
	type KubeEvent,
	type KubeObject,
	type Pod,
	type ReplicaSet,
	type StatefulSet,
} from "./objects.ts";
import { decidePod } from "./pod-readiness.ts";
import {
	findWorst,
	makeStuck,
	makeWaiting,
	ready,
	type Verdict,
} from "./verdict.ts";

/** What else there is in the namespace. `events` are warnings only. */
export interface Surroundings {
	readonly replicaSets: readonly ReplicaSet[];
	readonly pods: readonly Pod[];
	readonly events: readonly KubeEvent[];
}

const isObserved = (object: {
	readonly metadata?: { readonly generation?: number };
	readonly status?: { readonly observedGeneration?: number };
}): boolean =>
	(object.status?.observedGeneration ?? 0) >=
	(object.metadata?.generation ?? 0);

const unobserved = makeWaiting("its controller has not seen it yet");

// A pod that ended or is about to is replaced by its controller: it holds nothing up.
const findLivePods = (owner: KubeObject, pods: readonly Pod[]): Pod[] =>
	pods.filter(
		(pod) =>
			isOwnedBy(pod, owner) &&
			!isBeingDeleted(pod) &&
			pod.status?.phase !== "Failed",
	);

export function decideDeployment(
	deployment: Deployment,
	surroundings: Surroundings,
): Verdict {
	if (!isObserved(deployment)) return unobserved;
	const wanted = deployment.spec?.replicas ?? 1;
	const {
		updatedReplicas: updated = 0,
		availableReplicas: available = 0,
		replicas: all = 0,
	} = deployment.status ?? {};
	const isRolledOut = updated >= wanted && available >= wanted;
	if (isRolledOut && all <= wanted) return ready;
	const count = isRolledOut
		? `${all - wanted} of the replicas before are still there`
		: `${Math.min(available, updated)} of ${wanted} replicas are available`;
	const why = findWorst([
		decideNewReplicaSet(deployment, surroundings),
		decideProgress(deployment),
	]);
	return withCount(count, why);
}

/** Not ready: says how far it is, and what holds it up if that is known. */
function withCount(count: string, why: Verdict): Verdict {
	if (why.state === "stuck") return why;
	return makeWaiting(why.state === "ready" ? count : `${count}; ${why.reason}`);
}

const revisionAnnotation = "deployment.kubernetes.io/revision";

// Only the newest ReplicaSet tells of this rollout: pods of an older one may be stuck for the very reason that this one mends.
function decideNewReplicaSet(
	deployment: Deployment,
	surroundings: Surroundings,
): Verdict {
	const { replicaSets, pods, events } = surroundings;
	const revision = deployment.metadata?.annotations?.[revisionAnnotation];
	const newest = replicaSets.find(
		(replicaSet) =>
			isOwnedBy(replicaSet, deployment) &&
			replicaSet.metadata?.annotations?.[revisionAnnotation] === revision,
	);
	if (newest === undefined) return ready;
	const failure = findCondition(newest.status?.conditions, "ReplicaFailure");
	return findWorst([
		failure === undefined
			? ready
			: explainFailedCreate(failure.message ?? "", pods),
		...findLivePods(newest, pods).map((pod) => decidePod(pod, events)),
	]);
}

function decideProgress(deployment: Deployment): Verdict {
	const condition = deployment.status?.conditions?.find(
		({ type, status }) => type === "Progressing" && status === "False",
	);
	if (condition?.reason !== "ProgressDeadlineExceeded") return ready;
	return makeStuck({
		reason: condition.reason,
		message: condition.message ?? "It has made no progress for too long.",
		advice: `Look at its pods: kubectl -n ${deployment.metadata?.namespace} describe deployment ${findName(deployment)}`,
		// Kubernetes goes on trying, and keeps the word until it succeeds, even after the cause was mended.
		lasting: false,
	});
}

export function decideStatefulSet(
	set: StatefulSet,
	{ pods, events }: Surroundings,
): Verdict {
	if (!isObserved(set)) return unobserved;
	const wanted = set.spec?.replicas ?? 1;
	const status = set.status;
	const isSettled =
		status?.replicas === wanted &&
		(status.readyReplicas ?? 0) >= wanted &&
		(status.availableReplicas ?? 0) >= wanted;
	if (isSettled && isUpdated(set, wanted)) return ready;
	// Pods of every revision count: the controller waits even for one that its new revision would replace.
	const verdicts = findLivePods(set, pods).map((pod) => {
		const verdict = decidePod(pod, events);
		return isOfOldRevision(pod, set) ? adviseDeletion(verdict, pod) : verdict;
	});
	const failure = decideFailedCreate(set, wanted, { pods, events });
	const count = isSettled
		? `${status.updatedReplicas ?? 0} of ${wanted} replicas are of the new revision`
		: `${status?.readyReplicas ?? 0} of ${wanted} replicas are ready`;
	return withCount(count, findWorst([failure, ...verdicts]));
}

function isUpdated({ spec, status }: StatefulSet, wanted: number): boolean {
	const strategy = spec?.updateStrategy;
	if (strategy?.type === "OnDelete") return true;
	const partition = strategy?.rollingUpdate?.partition ?? 0;
	return partition > 0
		? (status?.updatedReplicas ?? 0) >= wanted - partition
		: status?.currentRevision === status?.updateRevision;
}

const isOfOldRevision = (pod: Pod, set: StatefulSet): boolean =>
	pod.metadata?.labels?.["controller-revision-hash"] !==
	set.status?.updateRevision;

function adviseDeletion(verdict: Verdict, pod: Pod): Verdict {
	if (verdict.state !== "stuck") return verdict;
	const command = `kubectl -n ${pod.metadata?.namespace} delete pod ${findName(pod)}`;
	return {
		...verdict,
		advice: `The pod is of the revision before, and a StatefulSet waits for it all the same. Delete it, and the new revision takes its place: ${command}`,
	};
}

export function decideJob(job: Job, { pods, events }: Surroundings): Verdict {
	const conditions = job.status?.conditions;
	if (findCondition(conditions, "Complete")) return ready;
	// Whoever suspended it wants it to rest.
	if (job.spec?.suspend && findCondition(conditions, "Suspended")) return ready;
	const own = pods.filter((pod) => isOwnedBy(pod, job));
	const failure = findCondition(conditions, "Failed");
	if (failure !== undefined) {
		const last = findWorst(own.map((pod) => decidePod(pod, events)));
		const pod = last.state === "stuck" ? last : undefined;
		return makeStuck({
			reason: failure.reason ?? "JobFailed",
			message: [failure.message ?? "The Job failed.", pod?.message]
				.filter(Boolean)
				.join(" "),
			advice:
				pod?.advice ??
				`Look at the Job: kubectl -n ${job.metadata?.namespace} describe job ${findName(job)}`,
			lasting: true,
		});
	}
	const why = findWorst([
		decideFailedCreate(job, 1, { pods, events }),
		...findLivePods(job, own).map((pod) => decidePod(pod, events)),
	]);
	return withCount("it is not complete", why);
}
