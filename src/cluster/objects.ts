// Kubernetes objects as they travel. The client's own types stand for decoded objects; ours are plain JSON,
// the same from a list and from a watch.
import type {
	CoreV1Event,
	V1Container,
	V1ContainerStatus,
	V1CronJob,
	V1Deployment,
	V1Job,
	V1Namespace,
	V1ObjectMeta,
	V1PersistentVolumeClaim,
	V1Pod,
	V1ReplicaSet,
	V1StatefulSet,
	V1Status,
} from "@kubernetes/client-node";

/** `T` in JSON, which has no dates. */
export type Wire<T> = T extends Date
	? string
	: T extends readonly (infer Item)[]
		? Wire<Item>[]
		: T extends object
			? { [Key in keyof T]: Wire<T[Key]> }
			: T;

export interface KubeObject {
	readonly metadata?: Wire<V1ObjectMeta>;
}

export type Container = Wire<V1Container>;
export type ContainerStatus = Wire<V1ContainerStatus>;
export type Deployment = Wire<V1Deployment>;
export type ReplicaSet = Wire<V1ReplicaSet>;
export type StatefulSet = Wire<V1StatefulSet>;
export type Job = Wire<V1Job>;
export type CronJob = Wire<V1CronJob>;
export type Pod = Wire<V1Pod>;
export type Claim = Wire<V1PersistentVolumeClaim>;
export type Namespace = Wire<V1Namespace>;
export type KubeEvent = Wire<CoreV1Event>;
/** What the API server says when it does not do what was asked. */
export type Status = Wire<V1Status>;

/** An object's name; empty only for an object that never was on a server. */
export const findName = (object: KubeObject): string =>
	object.metadata?.name ?? "";

export const isOwnedBy = (object: KubeObject, owner: KubeObject): boolean =>
	object.metadata?.ownerReferences?.some(
		(reference) => reference.uid === owner.metadata?.uid,
	) ?? false;

export const isBeingDeleted = (object: KubeObject): boolean =>
	object.metadata?.deletionTimestamp !== undefined;

/** The condition of this type, if it holds. */
export function findCondition<
	C extends { readonly type: string; readonly status: string },
>(conditions: readonly C[] | undefined, type: string): C | undefined {
	return conditions?.find(
		(condition) => condition.type === type && condition.status === "True",
	);
}
