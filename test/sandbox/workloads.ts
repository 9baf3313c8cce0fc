// Objects for the test cluster, and questions asked of them.
import type { VersionCheck } from "../../src/domain/blueprint.ts";
import { checksVariable, jobLabel } from "../../src/domain/cluster.ts";
import type { Api, ApiList } from "../../src/sandbox/api.ts";
import type { Pod } from "../../src/sandbox/namespace-view.ts";

export async function createNamespace(api: Api, name: string): Promise<void> {
	await api.create("/api/v1/namespaces", { metadata: { name } });
}

/** A Deployment with one pod and a Service of the same name on port 8888. May be said again. */
export async function createDeployment(
	api: Api,
	namespace: string,
	{ name, image }: { readonly name: string; readonly image: string },
): Promise<void> {
	const labels = { app: name };
	await api.apply(`/apis/apps/v1/namespaces/${namespace}/deployments/${name}`, {
		apiVersion: "apps/v1",
		kind: "Deployment",
		metadata: { name },
		spec: {
			selector: { matchLabels: labels },
			template: {
				metadata: { labels },
				spec: {
					initContainers: [{ name: "before", image: "busybox:1" }],
					containers: [
						{ name: "main", image, ports: [{ containerPort: 8888 }] },
						{ name: "beside", image: "example/beside:1.0" },
					],
				},
			},
		},
	});
	await api.apply(`/api/v1/namespaces/${namespace}/services/${name}`, {
		apiVersion: "v1",
		kind: "Service",
		metadata: { name },
		spec: { selector: labels, ports: [{ port: 8888 }] },
	});
}

export interface JobWish {
	readonly name: string;
	readonly image: string;
	/** Makes it a verification Job. */
	readonly checks?: readonly VersionCheck[];
}

export async function createJob(
	api: Api,
	namespace: string,
	{ name, image, checks }: JobWish,
): Promise<void> {
	await api.create(`/apis/batch/v1/namespaces/${namespace}/jobs`, {
		metadata: { name },
		spec: {
			backoffLimit: 0,
			template: {
				metadata: {
					labels:
						checks === undefined
							? { app: name }
							: { app: name, [jobLabel]: "verify" },
				},
				spec: {
					restartPolicy: "Never",
					containers: [
						{
							name: "main",
							image,
							env:
								checks === undefined
									? []
									: [{ name: checksVariable, value: JSON.stringify(checks) }],
						},
					],
				},
			},
		},
	});
}

interface ContainerStatus {
	readonly name: string;
	readonly ready: boolean;
	readonly restartCount: number;
	readonly state: {
		readonly waiting?: { readonly reason: string };
		readonly terminated?: {
			readonly exitCode: number;
			readonly message?: string;
		};
	};
}

export type PodWithContainers = Pod & {
	readonly status: { readonly containerStatuses?: readonly ContainerStatus[] };
};

/** The pod of a Deployment or Job that was made here, if it is there. */
export async function findPod(
	api: Api,
	namespace: string,
	app: string,
): Promise<PodWithContainers | undefined> {
	const query = encodeURIComponent(`app=${app}`);
	const list = await api.find<ApiList<PodWithContainers>>(
		`/api/v1/namespaces/${namespace}/pods?labelSelector=${query}`,
	);
	return list.items[0];
}

export const isReady = (pod: PodWithContainers | undefined): boolean =>
	pod?.status.conditions?.some(
		({ type, status }) => type === "Ready" && status === "True",
	) ?? false;

/** The status of the container whose image carries the fault, or the check. */
export const findMain = (
	pod: PodWithContainers | undefined,
): ContainerStatus | undefined =>
	pod?.status.containerStatuses?.find(({ name }) => name === "main");
