// What is remembered of the environments of a cluster: how many workloads each has, and those objects, cut down, that are
// not ready. So memory grows with what is wrong and not with what is there. Pure.
import { environmentLabel } from "../domain/cluster.ts";
import {
	type HealthReason,
	notReady,
	type Sighting,
} from "../domain/health.ts";
import {
	type Deployment,
	findCondition,
	findName,
	isBeingDeleted,
	type KubeEvent,
	type KubeObject,
	type Pod,
	type ReplicaSet,
	type StatefulSet,
} from "./objects.ts";
import { decideDeployment, decideStatefulSet } from "./readiness.ts";
import type { Verdict } from "./verdict.ts";

export type WatchedKind = "deployments" | "statefulSets" | "pods";

interface Unready {
	readonly deployments: Map<string, Deployment>;
	readonly statefulSets: Map<string, StatefulSet>;
	readonly pods: Map<string, Pod>;
}

interface Seen extends Unready {
	readonly counts: Record<WatchedKind, number>;
}

export interface Sightings {
	/** Forgets all of a kind: a list of it begins. */
	forget(kind: WatchedKind): void;
	/** Returns the environment that it belongs to. */
	note(
		kind: WatchedKind,
		change: "LISTED" | "ADDED" | "MODIFIED" | "DELETED",
		object: KubeObject,
	): string | undefined;
	/** Of one environment; `events` are warnings of its namespace, if somebody asked for them. */
	read(environment: string, events: readonly KubeEvent[]): Sighting | undefined;
	/** How many objects are kept. */
	count(): number;
}

export function makeSightings(): Sightings {
	const seen = new Map<string, Seen>();

	function find(environment: string): Seen {
		const known = seen.get(environment);
		if (known !== undefined) return known;
		const made: Seen = {
			deployments: new Map(),
			statefulSets: new Map(),
			pods: new Map(),
			counts: { deployments: 0, statefulSets: 0, pods: 0 },
		};
		seen.set(environment, made);
		return made;
	}

	return {
		forget(kind) {
			for (const [environment, one] of seen) {
				one.counts[kind] = 0;
				one[kind].clear();
				dropEmpty(seen, environment, one);
			}
		},
		note(kind, change, object) {
			const environment = object.metadata?.labels?.[environmentLabel];
			if (environment === undefined) return undefined;
			const one = find(environment);
			if (change === "DELETED") one.counts[kind] -= 1;
			else if (change !== "MODIFIED") one.counts[kind] += 1;
			keepUnready(one, kind, change === "DELETED" ? undefined : object, object);
			dropEmpty(seen, environment, one);
			return environment;
		},
		read(environment, events) {
			const one = seen.get(environment);
			return (
				one && {
					workloads: one.counts.deployments + one.counts.statefulSets,
					reasons: decideReasons(one, events),
				}
			);
		},
		count: () =>
			[...seen.values()].reduce(
				(sum, { deployments, statefulSets, pods }) =>
					sum + deployments.size + statefulSets.size + pods.size,
				0,
			),
	};
}

function dropEmpty(
	seen: Map<string, Seen>,
	environment: string,
	{ counts }: Seen,
): void {
	if (counts.deployments + counts.statefulSets + counts.pods === 0)
		seen.delete(environment);
}

const nothing = { replicaSets: [], pods: [], events: [] };

function keepUnready(
	one: Unready,
	kind: WatchedKind,
	object: KubeObject | undefined,
	named: KubeObject,
): void {
	const name = findName(named);
	if (object === undefined || isBeingDeleted(object)) {
		one[kind].delete(name);
		return;
	}
	switch (kind) {
		case "deployments":
			keep(one.deployments, name, cutDeployment(object), (it) =>
				isReady(decideDeployment(it, nothing)),
			);
			break;
		case "statefulSets":
			keep(one.statefulSets, name, cutStatefulSet(object), (it) =>
				isReady(decideStatefulSet(it, nothing)),
			);
			break;
		case "pods":
			keep(one.pods, name, cutPod(object), isPodReady);
	}
}

function keep<T>(
	into: Map<string, T>,
	name: string,
	object: T,
	isFine: (object: T) => boolean,
): void {
	if (isFine(object)) into.delete(name);
	else into.set(name, object);
}

const isReady = (verdict: Verdict): boolean => verdict.state === "ready";

const isPodReady = ({ status }: Pod): boolean =>
	status?.phase === "Succeeded" ||
	findCondition(status?.conditions, "Ready") !== undefined;

const cutMetadata = ({ metadata }: KubeObject) => ({
	name: metadata?.name ?? "",
	namespace: metadata?.namespace ?? "",
	uid: metadata?.uid ?? "",
	generation: metadata?.generation ?? 0,
	...(metadata?.creationTimestamp !== undefined && {
		creationTimestamp: metadata.creationTimestamp,
	}),
	...(metadata?.deletionTimestamp !== undefined && {
		deletionTimestamp: metadata.deletionTimestamp,
	}),
});

const revisionAnnotation = "deployment.kubernetes.io/revision";
const revisionLabel = "controller-revision-hash";

function cutDeployment(object: Deployment): Deployment {
	const { replicas = 1 } = object.spec ?? {};
	const revision = object.metadata?.annotations?.[revisionAnnotation] ?? "";
	return {
		metadata: {
			...cutMetadata(object),
			annotations: { [revisionAnnotation]: revision },
		},
		spec: { replicas, selector: {}, template: {} },
		...(object.status && { status: object.status }),
	};
}

function cutStatefulSet(object: StatefulSet): StatefulSet {
	const { replicas = 1, updateStrategy } = object.spec ?? {};
	return {
		metadata: cutMetadata(object),
		spec: {
			replicas,
			selector: {},
			template: {},
			...(updateStrategy && { updateStrategy }),
		},
		...(object.status && { status: object.status }),
	};
}

function cutPod(object: Pod): Pod {
	const { phase, reason, message, conditions } = object.status ?? {};
	const { containerStatuses, initContainerStatuses } = object.status ?? {};
	const hash = object.metadata?.labels?.[revisionLabel];
	return {
		metadata: {
			...cutMetadata(object),
			...(object.metadata?.ownerReferences && {
				ownerReferences: object.metadata.ownerReferences,
			}),
			...(hash !== undefined && { labels: { [revisionLabel]: hash } }),
		},
		status: {
			...(phase !== undefined && { phase }),
			...(reason !== undefined && { reason }),
			...(message !== undefined && { message }),
			...(conditions && { conditions }),
			...(containerStatuses && { containerStatuses }),
			...(initContainerStatuses && { initContainerStatuses }),
		},
	};
}

function decideReasons(
	{ deployments, statefulSets, pods }: Unready,
	events: readonly KubeEvent[],
): HealthReason[] {
	const all = [...pods.values()];
	const list = <T extends KubeObject>(
		kind: string,
		objects: Map<string, T>,
		decide: (object: T) => Verdict,
	) =>
		[...objects.values()].flatMap((object) =>
			explain(kind, findName(object), decide(object)),
		);
	return [
		...list("apps/v1/StatefulSet", statefulSets, (set) =>
			decideStatefulSet(set, { replicaSets: [], pods: all, events }),
		),
		...list("apps/v1/Deployment", deployments, (deployment) =>
			decideDeployment(deployment, {
				replicaSets: guessReplicaSets(deployment, all),
				pods: all,
				events,
			}),
		),
	];
}

function explain(kind: string, name: string, verdict: Verdict): HealthReason[] {
	switch (verdict.state) {
		case "ready":
			return [];
		case "waiting":
			return [{ kind, name, reason: notReady, message: verdict.reason }];
		case "stuck":
			return [
				{
					kind,
					name,
					reason: steady[verdict.reason] ?? verdict.reason,
					message: verdict.message,
				},
			];
	}
}

/** What the kubelet calls by two names in turn. */
const steady: Readonly<Record<string, string>> = {
	ErrImagePull: "ImagePullBackOff",
};

/**
 * ReplicaSets are not watched: the newest pod that is not ready names its own, whose name is the Deployment's and a hash.
 * That a ReplicaSet cannot make pods, its Deployment says as well.
 */
function guessReplicaSets(
	deployment: Deployment,
	pods: readonly Pod[],
): ReplicaSet[] {
	const prefix = `${findName(deployment)}-`;
	const owners = pods
		.toSorted((a, b) => created(b).localeCompare(created(a)))
		.flatMap((pod) => pod.metadata?.ownerReferences ?? [])
		.filter(
			({ kind, name }) =>
				kind === "ReplicaSet" &&
				name.startsWith(prefix) &&
				!name.slice(prefix.length).includes("-"),
		);
	const failure = findCondition(
		deployment.status?.conditions,
		"ReplicaFailure",
	);
	return [
		{
			metadata: {
				uid: owners[0]?.uid ?? "",
				annotations: deployment.metadata?.annotations ?? {},
				ownerReferences: [
					{
						apiVersion: "apps/v1",
						kind: "Deployment",
						name: findName(deployment),
						uid: deployment.metadata?.uid ?? "",
					},
				],
			},
			...(failure && { status: { replicas: 0, conditions: [failure] } }),
		},
	];
}

const created = ({ metadata }: Pod): string =>
	metadata?.creationTimestamp ?? "";
