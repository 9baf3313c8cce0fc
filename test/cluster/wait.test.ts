// Waiting for a namespace: what is told, when it ends, and how.
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { makeCluster } from "../../src/cluster/connect.ts";
import type { ClusterLimits } from "../../src/cluster/limits.ts";
import type { Cluster } from "../../src/domain/cluster.ts";
import type { NewEvent } from "../../src/domain/event.ts";
import { Failure } from "../../src/failure.ts";
import { until } from "../support/until.ts";
import { type FakeApi, makeStatus, startFakeApi } from "./fake-api.ts";
import {
	makeClaim,
	makeDeployment,
	makeJob,
	makePod,
	makeReplicaSet,
	waitingStatus,
} from "./given.ts";

const deployments = "ns/apis/apps/v1/deployments";
const jobs = "ns/apis/batch/v1/jobs";
const namespaces = "api/v1/namespaces";

let api: FakeApi;
let cluster: Cluster;
let controller: AbortController;
let events: NewEvent[];

// The real types carry no index signature; the fake server takes anything with a name.
const put = (collection: string, object: object) =>
	api.put(collection, object as Parameters<FakeApi["put"]>[1]);

function wait(limits: Partial<ClusterLimits> = {}): Promise<void> {
	cluster = makeCluster(api.kubeconfig, limits);
	const waiting = cluster.waitUntilReady("ns", {
		signal: controller.signal,
		onEvent: (event) => {
			events.push(event);
		},
	});
	waiting.catch(() => undefined);
	return waiting;
}

const watching = () =>
	until("all watches are open", () => api.countWatches() === 8, { everyMs: 5 });
const told = () =>
	events.map(({ type, data }) =>
		[type, "name" in data ? data.name : "", "reason" in data ? data.reason : ""]
			.join(" ")
			.trim(),
	);

const rolling = makeDeployment({ replicas: 2, updatedReplicas: 2 });
const rolledOut = makeDeployment({
	replicas: 2,
	updatedReplicas: 2,
	availableReplicas: 2,
});

beforeEach(async () => {
	api = await startFakeApi();
	api.put(namespaces, { metadata: { name: "ns" } });
	controller = new AbortController();
	events = [];
});
afterEach(async () => {
	controller.abort();
	await cluster.close();
	await api.stop();
});

test("a namespace in which all is ready is ready at once, each workload told once", async () => {
	put(deployments, rolledOut);
	put(jobs, makeJob([{ type: "Complete", status: "True" }]));
	put("ns/api/v1/persistentvolumeclaims", makeClaim("Bound"));
	await wait();
	assert.deepEqual(told(), ["workload.ready server", "workload.ready migrate"]);
});

test("readiness is noticed when the API server says so, not at some next look", async () => {
	put(deployments, rolling);
	const waiting = wait();
	await watching();
	const since = performance.now();
	put(deployments, rolledOut);
	await waiting;
	// A few milliseconds on an idle machine; a busy one must not fail the test.
	assert.ok(performance.now() - since < 500);
	assert.deepEqual(told(), ["workload.ready server"]);
});

test("a wait for some workloads does not mind the others, and waits for those that are not there yet", async () => {
	put(deployments, rolling);
	put(jobs, makeJob([{ type: "Failed", status: "True" }]));
	cluster = makeCluster(api.kubeconfig, { stuckGraceMs: 0 });
	const waiting = cluster.waitUntilRolledOut(
		"ns",
		[
			{ kind: "apps/v1/Deployment", name: "server" },
			{ kind: "apps/v1/StatefulSet", name: "mongodb" },
		],
		{
			signal: controller.signal,
			onEvent: (event) => {
				events.push(event);
			},
		},
	);
	let isOver = false;
	waiting.then(
		() => {
			isOver = true;
		},
		() => {},
	);
	await watching();
	put(deployments, rolledOut);
	await until("the server is told", () => told().length === 1, { everyMs: 5 });
	assert.equal(isOver, false);
	put("ns/apis/apps/v1/statefulsets", {
		metadata: { name: "mongodb", uid: "uid-mongodb", generation: 1 },
		spec: { replicas: 1 },
		status: {
			observedGeneration: 1,
			replicas: 1,
			readyReplicas: 1,
			availableReplicas: 1,
			updatedReplicas: 1,
		},
	});
	await waiting;
	assert.deepEqual(told(), ["workload.ready server", "workload.ready mongodb"]);
});

test("a wait for one workload ends with a claim that cannot be had", async () => {
	put(deployments, rolling);
	const claim = makeClaim("Lost");
	put("ns/api/v1/persistentvolumeclaims", claim);
	cluster = makeCluster(api.kubeconfig, { stuckGraceMs: 0 });
	await assert.rejects(
		cluster.waitUntilRolledOut(
			"ns",
			[{ kind: "apps/v1/Deployment", name: "server" }],
			{ signal: controller.signal, onEvent: () => {} },
		),
		(error) =>
			error instanceof Failure &&
			error.code === "workload_stuck" &&
			/ClaimLost/.test(error.message),
	);
});

test("an empty namespace is not ready: its workloads are still to come", async () => {
	const waiting = wait();
	await watching();
	put("ns/api/v1/persistentvolumeclaims", makeClaim("Bound"));
	put(deployments, rolledOut);
	await waiting;
	assert.deepEqual(told(), ["workload.ready server"]);
});

function putBroken(reason: string, message: string): void {
	put(deployments, rolling);
	const replicaSet = makeReplicaSet(rolling, "2");
	put("ns/apis/apps/v1/replicasets", replicaSet);
	const status = waitingStatus(reason, message);
	put("ns/api/v1/pods", makePod({ owner: replicaSet, status }));
}

test("a reason that lasts is told at once and ends the wait after its grace", async () => {
	putBroken("ImagePullBackOff", "not found");
	const since = performance.now();
	const waiting = wait({ stuckGraceMs: 200 });
	await until("it is told", () => events.length > 0, { everyMs: 5 });
	assert.deepEqual(told(), ["workload.stuck server ImagePullBackOff"]);
	await assert.rejects(
		waiting,
		(error) =>
			error instanceof Failure &&
			error.code === "workload_stuck" &&
			/Deployment server: ImagePullBackOff/.test(error.message),
	);
	assert.ok(performance.now() - since >= 200);
});

test("a reason that is mended within its grace does not end the wait", async () => {
	putBroken("CreateContainerConfigError", 'secret "jwt" not found');
	const waiting = wait({ stuckGraceMs: 60_000 });
	await until("it is told", () => events.length > 0, { everyMs: 5 });
	put(deployments, rolledOut);
	await waiting;
	assert.deepEqual(told(), [
		"workload.stuck server CreateContainerConfigError",
		"workload.ready server",
	]);
});

test("a reason that may pass is told once it stands", async () => {
	putBroken("ErrImagePull", "i/o timeout");
	wait({ reportAfterMs: 100 });
	await until("it is told", () => events.length > 0, { everyMs: 5 });
	assert.deepEqual(told(), ["workload.stuck server ErrImagePull"]);
});

test("a wait ends at once when it is cancelled, and says what was not ready", async () => {
	put(deployments, rolling);
	const waiting = wait();
	await watching();
	const since = performance.now();
	controller.abort();
	await assert.rejects(
		waiting,
		(error) =>
			error instanceof Failure &&
			error.code === "cancelled" &&
			/Not ready: Deployment server \(0 of 2 replicas/.test(error.message),
	);
	assert.ok(performance.now() - since < 500);
	await until("no watch is open", () => api.countWatches() === 0);
});

test("a wait that is cancelled before it begins asks nothing", async () => {
	controller.abort();
	await assert.rejects(
		wait(),
		(error) => error instanceof Failure && error.code === "cancelled",
	);
	assert.equal(api.requests.length, 0);
});

test("a reader of events that refuses ends the wait with its own error", async () => {
	put(deployments, rolledOut);
	cluster = makeCluster(api.kubeconfig);
	await assert.rejects(
		cluster.waitUntilReady("ns", {
			signal: controller.signal,
			onEvent: () => Promise.reject(new Error("the lease was lost")),
		}),
		/the lease was lost/,
	);
});

test("events are told one after the other", async () => {
	put(deployments, rolledOut);
	put(jobs, makeJob([{ type: "Complete", status: "True" }]));
	cluster = makeCluster(api.kubeconfig);
	let isReading = false;
	let count = 0;
	await cluster.waitUntilReady("ns", {
		signal: controller.signal,
		async onEvent() {
			assert.equal(isReading, false);
			isReading = true;
			await new Promise(setImmediate);
			isReading = false;
			count += 1;
		},
	});
	assert.equal(count, 2);
});

test("a namespace that is not there is not waited for", async () => {
	api.remove(namespaces, "ns");
	await assert.rejects(
		wait(),
		(error) => error instanceof Failure && error.code === "not_found",
	);
});

test("a namespace that somebody deletes meanwhile is not waited for", async () => {
	put(deployments, rolling);
	const waiting = wait();
	await watching();
	api.put(namespaces, {
		metadata: { name: "ns", deletionTimestamp: "2026-01-01T00:00:00Z" },
	});
	await assert.rejects(
		waiting,
		(error) => error instanceof Failure && error.code === "conflict",
	);
});

test("a wait survives connections that break and places that are forgotten", async () => {
	put(deployments, rolling);
	const waiting = wait();
	await watching();
	api.forget();
	api.dropConnections();
	put(deployments, rolledOut);
	await waiting;
	assert.deepEqual(told(), ["workload.ready server"]);
});

test("slow answers are waited for", async () => {
	put(deployments, rolledOut);
	api.control.intercept = async ({ query }) => {
		if (query.has("watch")) return undefined;
		await new Promise((fulfil) => setTimeout(fulfil, 150));
		return undefined;
	};
	await wait();
	assert.deepEqual(told(), ["workload.ready server"]);
});

test("a right that is missing for one kind is named", async () => {
	const said =
		'events is forbidden: User "deployer" cannot list resource "events" in API group "" in the namespace "ns"';
	api.control.intercept = ({ path }) =>
		path.endsWith("/events") ? makeStatus(403, "Forbidden", said) : undefined;
	await assert.rejects(
		wait(),
		(error) =>
			error instanceof Failure &&
			error.code === "not_set_up" &&
			/lacks the right to list events\./.test(error.message),
	);
});
