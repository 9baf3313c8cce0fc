// Kubernetes objects to start from, as an API server hands them out.
import type {
	Claim,
	Deployment,
	Job,
	KubeEvent,
	Pod,
	ReplicaSet,
	StatefulSet,
} from "../../src/cluster/objects.ts";

type Owner = { readonly metadata?: { readonly uid?: string } };

const owners = (owner: Owner | undefined) =>
	owner === undefined
		? {}
		: {
				ownerReferences: [
					{
						apiVersion: "v1",
						kind: "Owner",
						name: "owner",
						uid: owner.metadata?.uid ?? "",
					},
				],
			};

const metadataOf = (name: string, more: object = {}) => ({
	name,
	namespace: "ns",
	uid: `uid-${name}`,
	creationTimestamp: "2026-01-01T00:00:00Z",
	generation: 1,
	...more,
});

export const makeDeployment = (
	status: Deployment["status"],
	spec: Partial<NonNullable<Deployment["spec"]>> = {},
): Deployment => ({
	metadata: metadataOf("server", {
		annotations: { "deployment.kubernetes.io/revision": "2" },
	}),
	spec: { replicas: 2, selector: {}, template: {}, ...spec },
	...(status === undefined
		? {}
		: { status: { observedGeneration: 1, ...status } }),
});

export const makeReplicaSet = (
	owner: Owner,
	revision: string,
	status: ReplicaSet["status"] = { replicas: 1 },
): ReplicaSet => ({
	metadata: metadataOf(`server-${revision}`, {
		annotations: { "deployment.kubernetes.io/revision": revision },
		...owners(owner),
	}),
	status,
});

export const makeStatefulSet = (
	status: Partial<NonNullable<StatefulSet["status"]>>,
	spec: Partial<NonNullable<StatefulSet["spec"]>> = {},
): StatefulSet => ({
	metadata: metadataOf("mongodb"),
	spec: { replicas: 3, selector: {}, template: {}, ...spec },
	status: {
		observedGeneration: 1,
		replicas: 3,
		currentRevision: "a",
		updateRevision: "a",
		...status,
	},
});

export const makeJob = (
	conditions: NonNullable<Job["status"]>["conditions"],
	spec: Partial<NonNullable<Job["spec"]>> = {},
): Job => ({
	metadata: metadataOf("migrate"),
	spec: { template: {}, ...spec },
	status: conditions === undefined ? {} : { conditions },
});

export const makeClaim = (
	phase: string,
	spec: Claim["spec"] = { storageClassName: "standard" },
): Claim => ({
	metadata: metadataOf("data-0"),
	...(spec === undefined ? {} : { spec }),
	status: { phase },
});

export interface PodOptions {
	readonly name?: string;
	readonly owner?: Owner;
	readonly metadata?: object;
	readonly claim?: string;
	readonly status: NonNullable<Pod["status"]>;
}

export const makePod = ({
	name = "pod-1",
	owner,
	metadata = {},
	claim,
	status,
}: PodOptions): Pod => ({
	metadata: metadataOf(name, { ...owners(owner), ...metadata }),
	spec: {
		containers: [{ name: "main" }],
		...(claim === undefined
			? {}
			: {
					volumes: [
						{ name: "data", persistentVolumeClaim: { claimName: claim } },
					],
				}),
	},
	status,
});

export const readyStatus: NonNullable<Pod["status"]> = {
	phase: "Running",
	conditions: [{ type: "Ready", status: "True" }],
};

type ContainerOptions = Partial<
	NonNullable<NonNullable<Pod["status"]>["containerStatuses"]>[number]
>;

/** A pod's status with one container that is as said. */
export const containerStatus = (
	container: ContainerOptions,
	phase = "Pending",
): NonNullable<Pod["status"]> => ({
	phase,
	containerStatuses: [
		{
			name: "main",
			image: "registry.example/server:1",
			imageID: "",
			ready: false,
			restartCount: 0,
			...container,
		},
	],
});

export const waitingStatus = (
	reason: string,
	message: string | undefined,
	more: ContainerOptions = {},
): NonNullable<Pod["status"]> =>
	containerStatus({
		state: {
			waiting: { reason, ...(message === undefined ? {} : { message }) },
		},
		...more,
	});

export const makeEvent = (
	object: Owner,
	reason: string,
	message: string,
	at = "2026-01-01T00:10:00Z",
): KubeEvent => ({
	metadata: { name: `${reason}-${at}` },
	involvedObject: { uid: object.metadata?.uid ?? "" },
	type: "Warning",
	reason,
	message,
	lastTimestamp: at,
});
