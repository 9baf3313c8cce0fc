// Waiting until pods are gone.
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { makeCluster } from "../../src/cluster/connect.ts";
import type { Cluster } from "../../src/domain/cluster.ts";
import { Failure } from "../../src/failure.ts";
import { until } from "../support/until.ts";
import { type FakeApi, startFakeApi } from "./fake-api.ts";

const pods = "ns/api/v1/pods";
let api: FakeApi;
let cluster: Cluster;
let controller: AbortController;

beforeEach(async () => {
	api = await startFakeApi();
	controller = new AbortController();
	cluster = makeCluster(api.kubeconfig);
});
afterEach(async () => {
	controller.abort();
	await cluster.close();
	await api.stop();
});

const put = (part: string, phase: string, metadata: object = {}) =>
	api.put(pods, {
		metadata: {
			name: `${part}-1`,
			labels: { "app.kubernetes.io/name": part },
			...metadata,
		},
		status: { phase },
	} as Parameters<FakeApi["put"]>[1]);
const wait = (...parts: string[]) => {
	const waiting = cluster.waitUntilStopped("ns", parts, {
		signal: controller.signal,
	});
	waiting.catch(() => undefined);
	return waiting;
};
const watching = () =>
	until("the pods are watched", () => api.countWatches() === 1, { everyMs: 5 });

test("pods of other parts, and those that have ended by themselves, are not waited for", async () => {
	put("mongodb", "Running");
	put("server", "Succeeded");
	put("audit", "Failed");
	await wait("server", "audit", "scheduler");
});

test("a pod that is ending is waited for until it is gone", async () => {
	put("server", "Running", { deletionTimestamp: "2026-01-01T00:00:00Z" });
	let isOver = false;
	const waiting = wait("server").then(() => {
		isOver = true;
	});
	await watching();
	put("mongodb", "Running");
	assert.equal(isOver, false);
	api.remove(pods, "server-1");
	await waiting;
});

test("a wait that is ended says what is still there", async () => {
	put("server", "Running");
	const waiting = wait("server");
	await watching();
	controller.abort();
	await assert.rejects(waiting, (error: unknown) => {
		assert.ok(error instanceof Failure);
		assert.equal(error.code, "cancelled");
		assert.match(error.message, /Still there: server-1/);
		return true;
	});
});
