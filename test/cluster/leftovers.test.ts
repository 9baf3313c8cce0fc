// What a cluster says is this service's, asked of the real API server with the deployer's rights.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { makeCluster } from "../../src/cluster/connect.ts";
import {
	type Cluster,
	environmentLabel,
	jobLabel,
	managedBy,
	managedByLabel,
	type OwnedObject,
	tenantLabel,
} from "../../src/domain/cluster.ts";
import { kubectl } from "../support/kubectl.ts";
import { startFakeApi } from "./fake-api.ts";

const admin = process.env.TEST_ADMIN_KUBECONFIG ?? "";
const namespace = `leftovers-${process.pid}`;
const environment = "env_000000000000000look1";
const ours = {
	[managedByLabel]: managedBy,
	[environmentLabel]: environment,
	[tenantLabel]: "acme",
};
const { signal } = new AbortController();
const run = (...args: string[]) => kubectl(admin, ...args);
const inside = (...args: string[]) => run("-n", namespace, ...args);
const label = (what: string, labels: Readonly<Record<string, string>>) =>
	inside(
		...["label", what],
		...Object.entries(labels).map(([key, value]) => `${key}=${value}`),
	);

let cluster: Cluster;
before(async () => {
	cluster = makeCluster(
		readFileSync(process.env.TEST_KUBECONFIG ?? "", "utf8"),
	);
	await run("create", "namespace", namespace);
	await run(
		...["label", "namespace", namespace],
		...Object.entries(ours).map(([key, value]) => `${key}=${value}`),
	);
});
after(async () => {
	await cluster.close();
	await run("delete", "namespace", namespace, "--wait=false");
});

const list = async (where: string | undefined = namespace) =>
	(await cluster.listObjects(where, signal)).map(
		({ kind, name }) => `${kind} ${name}`,
	);

test("a namespace with our label is listed with whose it is, and others are not", async () => {
	const found = await cluster.listNamespaces(signal);
	assert.deepEqual(
		found.filter(({ name }) => name === namespace),
		[
			{
				kind: "v1/Namespace",
				namespace: null,
				name: namespace,
				environment,
				tenant: "acme",
			},
		],
	);
	assert.ok(!found.some(({ name }) => name === "kube-system"));
});

test("only what carries our label, belongs to no other object and is no Job of the service's is listed", async () => {
	await inside("create", "configmap", "plain");
	await inside("create", "secret", "generic", "keys");
	await label("secret/keys", ours);
	await inside("create", "deployment", "server", "--image=maestro/server:1");
	await label("deployment/server", ours);
	await inside("create", "job", "verify", "--image=maestro/server:1");
	await label("job/verify", { ...ours, [jobLabel]: "verify" });
	await inside("create", "configmap", "owned");
	await label("configmap/owned", ours);
	const { metadata } = JSON.parse(
		await inside("get", "deployment", "server", "-o", "json"),
	);
	const owner = {
		apiVersion: "apps/v1",
		kind: "Deployment",
		name: "server",
		uid: metadata.uid,
	};
	await inside(
		...["patch", "configmap", "owned", "--type=merge", "-p"],
		JSON.stringify({ metadata: { ownerReferences: [owner] } }),
	);
	const expected = ["apps/v1/Deployment server", "v1/Secret keys"];
	assert.deepEqual((await list()).sort(), expected);
	const everywhere = await cluster.listObjects(undefined, signal);
	const here = everywhere.filter((one) => one.namespace === namespace);
	assert.deepEqual(
		here.map(({ kind, name }) => `${kind} ${name}`).sort(),
		expected,
	);
	assert.deepEqual(
		here.find(({ name }) => name === "keys"),
		{
			kind: "v1/Secret",
			namespace,
			name: "keys",
			environment,
			tenant: "acme",
		} satisfies OwnedObject,
	);
});

test("an object is there whatever its labels, is not there, or is of a kind of which nothing is known", async () => {
	await inside("create", "configmap", "bare");
	const has = (kind: string, name: string, where: string | null = namespace) =>
		cluster.hasObject({ kind, namespace: where, name }, signal);
	assert.equal(await has("v1/ConfigMap", "bare"), true);
	assert.equal(await has("v1/ConfigMap", "absent"), false);
	assert.equal(await has("v1/Namespace", namespace, null), true);
	assert.equal(await has("v1/Namespace", "absent", null), false);
	assert.equal(await has("example.com/v1/Thing", "bare"), undefined);
	// The sandbox has no Prometheus operator, so nobody can make one.
	assert.equal(await has("monitoring.coreos.com/v1/PodMonitor", "x"), false);
});

test("a list of several pages is read to its end, and nothing but metadata is asked for", async (t) => {
	const api = await startFakeApi();
	t.after(() => api.stop());
	const paged = makeCluster(api.kubeconfig);
	t.after(() => paged.close());
	api.control.intercept = ({ path, query }) => {
		if (!path.endsWith("/secrets")) {
			return { status: 200, body: { metadata: {}, items: [] } };
		}
		const at = query.get("continue") ?? "first";
		const next = { first: "second", second: "third", third: "" }[at];
		return {
			status: 200,
			body: {
				metadata: { continue: next },
				items: [{ metadata: { name: at } }],
			},
		};
	};
	const found = await paged.listObjects("ns", signal);
	assert.deepEqual(
		found.map(({ name }) => name),
		["first", "second", "third"],
	);
	assert.ok(api.requests.every(({ query }) => query.get("limit") === "500"));
});
