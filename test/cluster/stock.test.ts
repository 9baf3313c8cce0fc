// What a namespace holds, asked of a real API server as the deployer: an ordinary user.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { makeCluster } from "../../src/cluster/connect.ts";
import { type Cluster, environmentLabel } from "../../src/domain/cluster.ts";
import { createSuffix } from "../../src/domain/ids.ts";
import { kubectl } from "../support/kubectl.ts";
import { until } from "../support/until.ts";

const admin = process.env.TEST_ADMIN_KUBECONFIG ?? "";
const namespace = `stock-${createSuffix(6)}`;
const environment = "env_00000000000000000007";
let cluster: Cluster;

before(async () => {
	cluster = makeCluster(
		readFileSync(process.env.TEST_KUBECONFIG ?? "", "utf8"),
	);
	await kubectl(admin, "create", "namespace", namespace);
});
after(async () => {
	await cluster.close();
	await kubectl(admin, "delete", "namespace", namespace, "--wait=false");
});

const takeStock = (of = environment, kinds: readonly string[] = []) =>
	cluster.takeStock(
		{ namespace, environment: of, kinds },
		{ signal: AbortSignal.timeout(10_000) },
	);

test("of a namespace that is not the environment's, or is not there, nothing is told", async () => {
	assert.deepEqual(await takeStock(), []);
	const label = `${environmentLabel}=${environment}`;
	await kubectl(admin, "label", "namespace", namespace, label);
	assert.deepEqual(await takeStock("env_00000000000000000008"), []);
	assert.deepEqual(
		await cluster.takeStock(
			{ namespace: "nowhere", environment, kinds: [] },
			{ signal: AbortSignal.timeout(10_000) },
		),
		[],
	);
});

test("what was declared is counted by kind; what every namespace has, and what controllers made of it, is not", async () => {
	const on = ["-n", namespace];
	await kubectl(admin, ...on, "create", "configmap", "a");
	await kubectl(admin, ...on, "create", "configmap", "b");
	await kubectl(admin, ...on, "create", "deployment", "server", "--image=x");
	await until("its pod is there", async () =>
		(await kubectl(admin, ...on, "get", "pods", "-o", "name")).includes("pod/"),
	);
	// A kind that the cluster does not know has no objects there.
	const stock = await takeStock(environment, ["example.com/v1/Nonsense"]);
	assert.deepEqual(
		Object.fromEntries(stock.map(({ kind, count }) => [kind, count])),
		{ "v1/Namespace": 1, "v1/ConfigMap": 2, "apps/v1/Deployment": 1 },
	);
});

test("a workload that is not ready is named with its reason", async () => {
	await kubectl(
		admin,
		...["-n", namespace, "create", "deployment", "held"],
		...["--image=impresario.dev/x:never-ready"],
	);
	const held = await until("it is told", async () => {
		const stock = await takeStock();
		const deployments = stock.find(({ kind }) => kind === "apps/v1/Deployment");
		// Before its controller has seen it, that is the reason.
		return deployments?.notReady.find(
			({ name, condition }) =>
				name === "held" && /0 of 1 replicas|not ready/i.test(condition),
		);
	});
	assert.ok(held);
});
