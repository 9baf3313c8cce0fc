import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { makeCluster } from "../../src/cluster/connect.ts";
import type { Cluster } from "../../src/domain/cluster.ts";
import type { NewEvent } from "../../src/domain/event.ts";
import { Failure } from "../../src/failure.ts";
import { until } from "../support/until.ts";
import { type FakeApi, makeStatus, startFakeApi } from "./fake-api.ts";

const namespaces = "api/v1/namespaces";
const labels = { "impresario.dev/environment": "env_1" };

let api: FakeApi;
let cluster: Cluster;
let controller: AbortController;
let events: NewEvent[];

const remove = () => {
	const removing = cluster.deleteNamespace("ns", "env_1", {
		signal: controller.signal,
		onEvent: (event) => {
			events.push(event);
		},
	});
	removing.catch(() => undefined);
	return removing;
};
const watching = () =>
	until("the watch is open", () => api.countWatches() === 1, { everyMs: 5 });
const deletions = () =>
	api.requests.filter(
		({ method, path }) => method === "DELETE" && path.endsWith("/ns"),
	);

beforeEach(async () => {
	api = await startFakeApi();
	cluster = makeCluster(api.kubeconfig);
	controller = new AbortController();
	events = [];
});
afterEach(async () => {
	controller.abort();
	await cluster.close();
	await api.stop();
});

test("a namespace that is not there is gone already", async () => {
	await remove();
	assert.equal(deletions().length, 0);
	assert.deepEqual(events, []);
});

test("a namespace is gone when the API server says so", async () => {
	const { metadata } = api.put(namespaces, {
		metadata: { name: "ns", labels },
	});
	const removing = remove();
	await watching();
	const since = performance.now();
	api.remove(namespaces, "ns");
	await removing;
	assert.ok(performance.now() - since < 500);
	assert.deepEqual(deletions()[0]?.body, {
		propagationPolicy: "Background",
		preconditions: { uid: metadata.uid },
	});
	assert.deepEqual(events, [
		{
			type: "resource.deleted",
			data: { kind: "v1/Namespace", name: "ns" },
		},
	]);
});

test("what takes long to go is deleted at once, not when the namespace's controller gets to it", async () => {
	api.put(namespaces, { metadata: { name: "ns", labels } });
	api.put("ns/apis/apps/v1/deployments", {
		metadata: { name: "server", namespace: "ns" },
	});
	const removing = remove();
	await watching();
	assert.ok(
		api.requests.some(
			({ method, path }) =>
				method === "DELETE" &&
				path === "/apis/apps/v1/namespaces/ns/deployments",
		),
	);
	api.remove(namespaces, "ns");
	await removing;
});

test("a deployer who may not hasten a deletion still waits for it", async () => {
	api.put(namespaces, { metadata: { name: "ns", labels } });
	api.control.intercept = ({ method, path }) =>
		method === "DELETE" && !path.endsWith("/ns")
			? makeStatus(403, "Forbidden", "no")
			: undefined;
	const removing = remove();
	await watching();
	api.remove(namespaces, "ns");
	await removing;
});

test("a deletion that somebody began is waited for, not begun again", async () => {
	api.put(namespaces, {
		metadata: { name: "ns", labels, deletionTimestamp: "2026-01-01T00:00:00Z" },
	});
	const removing = remove();
	await watching();
	api.remove(namespaces, "ns");
	await removing;
	assert.equal(deletions().length, 0);
	assert.deepEqual(events, []);
});

for (const [whose, owner, message] of [
	[
		"of another environment",
		{ "impresario.dev/environment": "env_2" },
		/belongs to environment env_2, not to env_1/,
	],
	["of nobody we know", {}, /not made by this service/],
] as const) {
	test(`a namespace ${whose} is left alone`, async () => {
		api.put(namespaces, { metadata: { name: "ns", labels: owner } });
		await assert.rejects(
			remove(),
			(error) =>
				error instanceof Failure &&
				error.code === "conflict" &&
				message.test(error.message) &&
				error.untouched !== undefined,
		);
		assert.ok(api.requests.every(({ method }) => method === "GET"));
	});
}

test("a namespace of the same name that came after is another one", async () => {
	api.put(namespaces, { metadata: { name: "ns", labels } });
	const removing = remove();
	await watching();
	api.remove(namespaces, "ns");
	api.put(namespaces, { metadata: { name: "ns", uid: "another" } });
	await removing;
});

test("a namespace that vanishes between the look and the deletion is gone", async () => {
	api.put(namespaces, { metadata: { name: "ns", labels } });
	api.control.intercept = ({ method }) => {
		if (method === "DELETE") api.remove(namespaces, "ns");
		return undefined;
	};
	await remove();
});

test("a deletion that hangs says on what when it is cancelled", async () => {
	api.put(namespaces, {
		metadata: { name: "ns", labels, deletionTimestamp: "2026-01-01T00:00:00Z" },
		status: {
			conditions: [
				{ type: "NamespaceDeletionContentFailure", status: "False" },
				{
					type: "NamespaceFinalizersRemaining",
					status: "True",
					message: "Some content has finalizers remaining: x.example/y in 1",
				},
			],
		},
	});
	const removing = remove();
	await watching();
	controller.abort();
	await assert.rejects(
		removing,
		(error) =>
			error instanceof Failure &&
			error.code === "cancelled" &&
			/waits for this: NamespaceFinalizersRemaining: .*x\.example\/y/.test(
				error.message,
			),
	);
});
