import type { WorkloadName } from "../domain/blueprint.ts";
import { jobLabel } from "../domain/cluster.ts";
import { decideClaim } from "./claim-readiness.ts";
import {
	type Claim,
	type Deployment,
	findName,
	isBeingDeleted,
	type Job,
	type KubeObject,
	type Pod,
	type StatefulSet,
} from "./objects.ts";
import {
	decideDeployment,
	decideJob,
	decideStatefulSet,
	type Surroundings,
} from "./readiness.ts";
import { makeWaiting, type Verdict } from "./verdict.ts";

/** All that is known of a namespace at one moment. */
export interface Snapshot extends Surroundings {
	readonly deployments: readonly Deployment[];
	readonly statefulSets: readonly StatefulSet[];
	readonly jobs: readonly Job[];
	readonly claims: readonly Claim[];
}

export interface Workload extends WorkloadName {
	readonly verdict: Verdict;
}

const claimKind = "v1/PersistentVolumeClaim";

export const isClaim = ({ kind }: Workload): boolean => kind === claimKind;

/**
 * What a namespace waits for, each with its verdict. Not waited for: what is being deleted, Jobs of a CronJob
 * and the service's own (verification, backup, restore), and an unbound claim that no pod mounts, which may wait for its first pod
 * for ever (`volumeBindingMode: WaitForFirstConsumer`).
 */
export function decideWorkloads(snapshot: Snapshot): Workload[] {
	const list = <T extends KubeObject>(
		kind: string,
		objects: readonly T[],
		decide: (object: T) => Verdict,
	): Workload[] =>
		objects
			.filter((object) => !isBeingDeleted(object))
			.map((object) => ({
				kind,
				name: findName(object),
				verdict: decide(object),
			}));
	const mounted = findMountedClaims(snapshot.pods);
	return [
		...list("apps/v1/StatefulSet", snapshot.statefulSets, (set) =>
			decideStatefulSet(set, snapshot),
		),
		...list("apps/v1/Deployment", snapshot.deployments, (deployment) =>
			decideDeployment(deployment, snapshot),
		),
		...list("batch/v1/Job", snapshot.jobs.filter(isWaitedFor), (job) =>
			decideJob(job, snapshot),
		),
		...list(claimKind, snapshot.claims, (claim) =>
			decideClaim(claim, snapshot.events),
		).filter(
			({ name, verdict }) => verdict.state !== "waiting" || mounted.has(name),
		),
	];
}

/** Those that are named, and all claims: a pod that waits for its volume does not say which one is to blame. */
export function pickWorkloads(
	all: readonly Workload[],
	only: readonly WorkloadName[],
): Workload[] {
	const named = only.map(
		({ kind, name }): Workload =>
			all.find((one) => one.kind === kind && one.name === name) ?? {
				kind,
				name,
				verdict: makeWaiting("it is not there yet"),
			},
	);
	return [...named, ...all.filter(isClaim)];
}

const isWaitedFor = ({ metadata }: Job): boolean =>
	metadata?.labels?.[jobLabel] === undefined &&
	!metadata?.ownerReferences?.some(({ kind }) => kind === "CronJob");

const findMountedClaims = (pods: readonly Pod[]): Set<string | undefined> =>
	new Set(
		pods.flatMap((pod) =>
			(pod.spec?.volumes ?? []).map(
				(volume) => volume.persistentVolumeClaim?.claimName,
			),
		),
	);
