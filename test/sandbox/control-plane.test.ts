import assert from "node:assert/strict";
import { existsSync, readFileSync, statSync } from "node:fs";
import { after, before, test } from "node:test";
import type { Api, ApiList, ApiObject } from "../../src/sandbox/api.ts";
import {
	type ControlPlane,
	startControlPlane,
} from "../../src/sandbox/control-plane.ts";
import { findIdentity } from "../../src/sandbox/identity.ts";
import { until } from "../support/until.ts";
import { loadTools, makeFolder, openClient, readPids } from "./given.ts";
import {
	createDeployment,
	createJob,
	createNamespace,
	findPod,
	isReady,
} from "./workloads.ts";

const folder = makeFolder();
const { dir } = folder;
const request = { dir, tools: loadTools(), throwAway: true };
let controlPlane: ControlPlane;
let api: Api;

before(async () => {
	controlPlane = await startControlPlane(request);
	api = openClient(dir);
	await createNamespace(api, "demo");
});
after(async () => {
	api.close();
	await controlPlane.stop();
	folder.remove();
});

interface Node extends ApiObject {
	readonly status: {
		readonly capacity: Record<string, string>;
		readonly conditions: readonly { type: string; status: string }[];
	};
}

const isNodeReady = (node: Node) =>
	node.status.conditions.some(
		({ type, status }) => type === "Ready" && status === "True",
	);

test("six nodes of a plain size are ready, two in each of three zones", async () => {
	const { items } = await api.find<ApiList<Node>>("/api/v1/nodes");
	assert.equal(items.filter(isNodeReady).length, 6);
	const zones = Map.groupBy(
		items,
		({ metadata }) => metadata.labels?.["topology.kubernetes.io/zone"],
	);
	assert.deepEqual(
		[...zones.values()].map((nodes) => nodes.length),
		[2, 2, 2],
	);
	assert.equal(items[0]?.status.capacity.cpu, "16");
});

test("a Deployment becomes ready", async () => {
	await createDeployment(api, "demo", {
		name: "server",
		image: "server:0.6.0",
	});
	await until("its pod is ready", async () =>
		isReady(await findPod(api, "demo", "server")),
	);
});

test("a claim is bound, and an Ingress and a load balancer get an address", async () => {
	const demo = "namespaces/demo";
	await api.create(`/api/v1/${demo}/persistentvolumeclaims`, {
		metadata: { name: "data" },
		spec: {
			accessModes: ["ReadWriteOnce"],
			resources: { requests: { storage: "1Gi" } },
		},
	});
	await api.create(`/api/v1/${demo}/services`, {
		metadata: { name: "balanced" },
		spec: { type: "LoadBalancer", ports: [{ port: 80 }] },
	});
	await api.create(`/apis/networking.k8s.io/v1/${demo}/ingresses`, {
		metadata: { name: "front" },
		spec: {
			defaultBackend: { service: { name: "balanced", port: { number: 80 } } },
		},
	});
	type Addressed = ApiObject & {
		status: { loadBalancer: { ingress?: { ip: string }[] } };
	};
	const paths = [
		`/api/v1/${demo}/services/balanced`,
		`/apis/networking.k8s.io/v1/${demo}/ingresses/front`,
	];
	for (const path of paths) {
		const ip = await until("it has an address", async () => {
			const { status } = await api.find<Addressed>(path);
			return status.loadBalancer.ingress?.[0]?.ip;
		});
		assert.match(ip, /^203\.0\.113\./);
	}
	const claim = `/api/v1/${demo}/persistentvolumeclaims/data`;
	await until("the claim is bound", async () => {
		const { status } = await api.find<{ status: { phase: string } }>(claim);
		return status.phase === "Bound";
	});
});

test("the deployer may make namespaces, and may do nothing to the cluster itself", async () => {
	const deployer = openClient(dir, "deployer");
	await createNamespace(deployer, "of-the-deployer");
	await assert.rejects(
		deployer.apply("/apis/storage.k8s.io/v1/storageclasses/mine", {
			apiVersion: "storage.k8s.io/v1",
			kind: "StorageClass",
			metadata: { name: "mine" },
			provisioner: "mine",
		}),
		{ code: "forbidden" },
	);
	deployer.close();
	assert.match(controlPlane.deployerKubeconfig, /current-context: sandbox/);
	assert.equal(statSync(controlPlane.kubeconfigPath).mode & 0o777, 0o600);
});

test("a node that is lost by label is not ready, and comes back without it", async () => {
	const path = "/api/v1/nodes/sandbox-c-2";
	const read = () => api.find<Node>(path);
	await api.patch(path, {
		metadata: { labels: { "impresario.dev/lost": "true" } },
	});
	await until("it is not ready", async () => !isNodeReady(await read()));
	await api.patch(path, {
		metadata: { labels: { "impresario.dev/lost": null } },
	});
	await until("it is ready again", async () => isNodeReady(await read()));
});

test("an API server that is killed comes back by itself, and pods are played again", async () => {
	const { "kube-apiserver": pid = 0 } = readPids(dir);
	process.kill(pid, "SIGKILL");
	await until("it is gone", () => findIdentity(pid) === undefined);
	await until("it takes a Deployment again", async () => {
		await createDeployment(api, "demo", {
			name: "after",
			image: "server:0.6.0",
		});
		return true;
	});
	await until("its pod is ready", async () =>
		isReady(await findPod(api, "demo", "after")),
	);
	await createJob(api, "demo", {
		name: "verify",
		image: "node:24",
		checks: [],
	});
	await until("a verification Job is played", async () => {
		const pod = await findPod(api, "demo", "verify");
		return pod?.status.phase === "Succeeded";
	});
});

test("kwok that is killed comes back by itself and plays at once", async () => {
	const { kwok: pid = 0 } = readPids(dir);
	process.kill(pid, "SIGKILL");
	await createDeployment(api, "demo", { name: "later", image: "server:0.6.0" });
	await until(
		"its pod is ready",
		async () => isReady(await findPod(api, "demo", "later")),
		{ timeoutMs: 15_000 },
	);
});

test("a stop leaves no process and no volume's folder, and the next start has the same cluster", async () => {
	type Volume = ApiObject & { spec: { hostPath: { path: string } } };
	const volumes = await api.find<ApiList<Volume>>("/api/v1/persistentvolumes");
	const path = volumes.items[0]?.spec.hostPath.path ?? "";
	assert.ok(existsSync(path));
	const pids = Object.values(readPids(dir));
	assert.equal(pids.length, 5);
	const before = {
		...controlPlane,
		text: readFileSync(controlPlane.kubeconfigPath, "utf8"),
	};

	await controlPlane.stop();
	assert.deepEqual(pids.map(findIdentity).filter(Boolean), []);
	assert.ok(!existsSync(path));

	controlPlane = await startControlPlane(request);
	assert.equal(controlPlane.clusterIdentifier, before.clusterIdentifier);
	assert.equal(readFileSync(controlPlane.kubeconfigPath, "utf8"), before.text);
	assert.ok(isReady(await findPod(api, "demo", "server")));
	await createDeployment(api, "demo", { name: "next", image: "server:0.6.0" });
	await until("a new pod is ready", async () =>
		isReady(await findPod(api, "demo", "next")),
	);
});
