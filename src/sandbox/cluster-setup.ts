// What a fresh cluster needs before anything can be deployed to it: nodes, a storage class, an ingress class,
// and what the deployer may do. Everything is said anew at each start, so that a change here reaches old data.
import { setTimeout as delay } from "node:timers/promises";
import { Failure } from "../failure.ts";
import type { Api, ApiList, ApiObject } from "./api.ts";
import { deployerRules } from "./deployer.ts";

const usableWithinMs = 30_000;
const pollMs = 50;

const zones = ["a", "b", "c"];
const nodesPerZone = 2;
/** Of a server as one rents it; kwok's own assumption is a thousand processors. */
const capacity = {
	cpu: "16",
	memory: "64Gi",
	"ephemeral-storage": "200Gi",
	pods: "250",
};

export const deployerUser = "impresario-deployer";
const storageClass = "standard";
const ingressClass = "sandbox";

const nodeNames = zones.flatMap((zone) =>
	Array.from({ length: nodesPerZone }, (_, i) => `sandbox-${zone}-${i + 1}`),
);

/** Creates what is missing and brings the rest to what is said here. */
export async function setUpCluster(api: Api): Promise<void> {
	await Promise.all([
		...nodeNames.map((name) => createNode(api, name)),
		applyStorageClass(api),
		applyIngressClass(api),
		applyDeployer(api),
	]);
}

/** A node brings its status along when it is created, as a kubelet does: kwok then takes the capacity from there. */
async function createNode(api: Api, name: string): Promise<void> {
	const zone = name.split("-")[1];
	try {
		await api.create("/api/v1/nodes", {
			apiVersion: "v1",
			kind: "Node",
			metadata: {
				name,
				labels: {
					"kubernetes.io/hostname": name,
					"kubernetes.io/os": "linux",
					"kubernetes.io/arch": "amd64",
					"topology.kubernetes.io/region": "sandbox",
					"topology.kubernetes.io/zone": `sandbox-${zone}`,
				},
			},
			status: { capacity, allocatable: capacity },
		});
	} catch (error) {
		if (!(error instanceof Failure && error.code === "conflict")) throw error;
	}
}

/** A kwok that is gone still holds its nodes, for the rest of their leases. This lets its successor have them at once. */
export const releaseNodes = (api: Api): Promise<void> =>
	api.remove("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases");

const applyStorageClass = (api: Api) =>
	api.apply(`/apis/storage.k8s.io/v1/storageclasses/${storageClass}`, {
		apiVersion: "storage.k8s.io/v1",
		kind: "StorageClass",
		metadata: {
			name: storageClass,
			annotations: { "storageclass.kubernetes.io/is-default-class": "true" },
		},
		provisioner: "kubernetes.io/host-path",
		reclaimPolicy: "Delete",
		volumeBindingMode: "Immediate",
		// As most clusters' classes do: an environment may be given larger claims.
		allowVolumeExpansion: true,
	});

const applyIngressClass = (api: Api) =>
	api.apply(`/apis/networking.k8s.io/v1/ingressclasses/${ingressClass}`, {
		apiVersion: "networking.k8s.io/v1",
		kind: "IngressClass",
		metadata: {
			name: ingressClass,
			annotations: { "ingressclass.kubernetes.io/is-default-class": "true" },
		},
		spec: { controller: "impresario.dev/sandbox" },
	});

async function applyDeployer(api: Api): Promise<void> {
	const rbac = "/apis/rbac.authorization.k8s.io/v1";
	const apiVersion = "rbac.authorization.k8s.io/v1";
	await api.apply(`${rbac}/clusterroles/${deployerUser}`, {
		apiVersion,
		kind: "ClusterRole",
		metadata: { name: deployerUser },
		rules: deployerRules,
	});
	await api.apply(`${rbac}/clusterrolebindings/${deployerUser}`, {
		apiVersion,
		kind: "ClusterRoleBinding",
		metadata: { name: deployerUser },
		roleRef: {
			apiGroup: "rbac.authorization.k8s.io",
			kind: "ClusterRole",
			name: deployerUser,
		},
		subjects: [
			{
				apiGroup: "rbac.authorization.k8s.io",
				kind: "User",
				name: deployerUser,
			},
		],
	});
}

/**
 * Fulfils with the cluster's identifier (the uid of its first namespace, which never changes) when pods can
 * be scheduled: all nodes are ready, and namespaces get their service account.
 *
 * Throws `not_set_up` if that is not so after 30 seconds.
 */
export async function waitUntilUsable(api: Api): Promise<string> {
	const deadline = Date.now() + usableWithinMs;
	let missing = "the API server's answer";
	while (Date.now() < deadline) {
		missing = await findMissing(api).catch(() => "the API server's answer");
		if (missing === "") {
			const system = await api.find<ApiObject>(
				"/api/v1/namespaces/kube-system",
			);
			return system.metadata.uid;
		}
		await delay(pollMs);
	}
	throw new Failure({
		code: "not_set_up",
		message: `The sandbox's cluster did not become usable within ${usableWithinMs / 1000} seconds: it lacks ${missing}.`,
		untouched: "Its data was kept.",
		advice:
			"Look into the logs beside its data. A machine that is short of processors or memory may need a second attempt.",
	});
}

interface Node extends ApiObject {
	readonly status: {
		readonly conditions?: readonly {
			readonly type: string;
			readonly status: string;
		}[];
	};
}

async function findMissing(api: Api): Promise<string> {
	const { items } = await api.find<ApiList<Node>>("/api/v1/nodes");
	const ready = items.filter((node) =>
		node.status.conditions?.some(
			({ type, status }) => type === "Ready" && status === "True",
		),
	);
	const lost = items.filter(
		({ metadata }) => metadata.labels?.["impresario.dev/lost"] === "true",
	);
	if (ready.length + lost.length < nodeNames.length) {
		return `${nodeNames.length - ready.length} of ${nodeNames.length} nodes`;
	}
	const account = await api
		.find("/api/v1/namespaces/default/serviceaccounts/default")
		.catch(() => undefined);
	return account === undefined ? "the default service account" : "";
}
