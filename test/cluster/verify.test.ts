// The verification Job: what it is, and what its pod's end leads to.
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { makeCluster } from "../../src/cluster/connect.ts";
import { makeVerifyJob } from "../../src/cluster/verify-job.ts";
import type {
	CheckResult,
	Cluster,
	VerifyRequest,
} from "../../src/domain/cluster.ts";
import type { NewEvent } from "../../src/domain/event.ts";
import { Failure } from "../../src/failure.ts";
import { until } from "../support/until.ts";
import { type FakeApi, type FakeObject, startFakeApi } from "./fake-api.ts";

const namespaces = "api/v1/namespaces";
const jobs = "ns/apis/batch/v1/jobs";
const pods = "ns/api/v1/pods";

const request: VerifyRequest = {
	namespace: "ns",
	run: "abc-1",
	image: "maestroserver/server-maestro:0.6.1",
	checks: [
		{ process: "server", url: "http://server:8888/", version: "0.6.1" },
		{ process: "client", url: "http://client/", version: null },
	],
};
const passed: CheckResult[] = [
	{ process: "server", version: "0.6.1", error: null },
	{ process: "client", version: null, error: null },
];

let api: FakeApi;
let cluster: Cluster;
let controller: AbortController;
let events: NewEvent[];

function verify(): Promise<Record<string, string>> {
	const verifying = cluster.verify(request, {
		signal: controller.signal,
		onEvent: (event) => {
			events.push(event);
		},
	});
	verifying.catch(() => undefined);
	return verifying;
}
const watching = () =>
	until("all watches are open", () => api.countWatches() === 3, { everyMs: 5 });

const createdJobs = () =>
	api.requests.filter(({ method }) => method === "POST");

const putPod = (status: object) =>
	api.put(pods, {
		metadata: {
			name: "verify-abc-1-x",
			namespace: "ns",
			labels: {
				"batch.kubernetes.io/controller-uid": `uid-${jobs}-verify-abc-1`,
			},
			ownerReferences: [{ uid: `uid-${jobs}-verify-abc-1` }],
		},
		status,
	});
const putEnd = (exitCode: number, message: string | undefined, reason = "x") =>
	putPod({
		phase: exitCode === 0 ? "Succeeded" : "Failed",
		containerStatuses: [
			{ name: "verify", state: { terminated: { exitCode, message, reason } } },
		],
	});
const putJobEnd = (type: string, reason: string) =>
	api.put(jobs, {
		...(createdJobs()[0]?.body as FakeObject),
		status: { conditions: [{ type, status: "True", reason }] },
	});

async function failureOf(asked: Promise<unknown>): Promise<Failure> {
	const error = await asked.then(
		() => undefined,
		(reason: unknown) => reason,
	);
	assert.ok(error instanceof Failure, String(error));
	return error;
}

beforeEach(async () => {
	api = await startFakeApi();
	api.put(namespaces, {
		metadata: {
			name: "ns",
			labels: {
				"impresario.dev/environment": "env_1",
				"impresario.dev/tenant": "acme",
				"pod-security.kubernetes.io/enforce": "baseline",
			},
		},
	});
	cluster = makeCluster(api.kubeconfig, { stuckGraceMs: 100 });
	controller = new AbortController();
	events = [];
});
afterEach(async () => {
	controller.abort();
	await cluster.close();
	await api.stop();
});

test("what answered as promised is returned, as soon as the pod has ended", async () => {
	const verifying = verify();
	await watching();
	const since = performance.now();
	putEnd(0, JSON.stringify(passed));
	assert.deepEqual(await verifying, { server: "0.6.1" });
	assert.ok(performance.now() - since < 500);
	await until("no watch is open", () => api.countWatches() === 0);
});

test("what did not answer as promised is named, with what was promised and what came", async () => {
	const verifying = verify();
	await watching();
	const results: CheckResult[] = [
		{ process: "server", version: "0.6.0", error: "answered 0.6.0 instead" },
		{ process: "client", version: null, error: "connection refused" },
	];
	putEnd(1, JSON.stringify(results));
	const failure = await failureOf(verifying);
	assert.equal(failure.code, "verification_failed");
	assert.equal(
		failure.message,
		"2 of 2 promises of the environment are not kept: server (expected 0.6.1, got 0.6.0), client (connection refused).",
	);
	assert.equal(failure.retryable, false);
});

test("a finding that is missing is a failure, whatever the exit code", async () => {
	const verifying = verify();
	await watching();
	putEnd(0, JSON.stringify(passed.slice(1)));
	const failure = await failureOf(verifying);
	assert.match(
		failure.message,
		/1 of 2 .*server \(expected 0\.6\.1, got no finding\)/,
	);
});

for (const message of [undefined, "", "node: not found", '{"a":1}', "[1]"]) {
	test(`a pod that leaves no findings but ${message} fails`, async () => {
		const verifying = verify();
		await watching();
		putEnd(137, message, "OOMKilled");
		const failure = await failureOf(verifying);
		assert.equal(failure.code, "verification_failed");
		assert.match(failure.message, /exit code 137 \(OOMKilled\)/);
	});
}

test("a Job of the same run is taken over, not made again", async () => {
	const first = verify();
	await watching();
	controller.abort();
	assert.equal((await failureOf(first)).code, "cancelled");
	controller = new AbortController();
	const second = verify();
	await watching();
	putEnd(0, JSON.stringify(passed));
	assert.deepEqual(await second, { server: "0.6.1" });
	assert.equal(createdJobs().length, 2);
});

test("a Job of the same run that has ended already is read", async () => {
	const first = verify();
	await watching();
	controller.abort();
	await failureOf(first);
	putEnd(0, JSON.stringify(passed));
	putJobEnd("Complete", "Done");
	controller = new AbortController();
	assert.deepEqual(await verify(), { server: "0.6.1" });
});

test("a Job of the same name that is not ours is left alone", async () => {
	api.put(jobs, { metadata: { name: "verify-abc-1", namespace: "ns" } });
	const failure = await failureOf(verify());
	assert.equal(failure.code, "conflict");
});

test("a pod that cannot start is told with its reason and fails the verification", async () => {
	const verifying = verify();
	await watching();
	putPod({
		phase: "Pending",
		containerStatuses: [
			{
				name: "verify",
				image: request.image,
				restartCount: 0,
				state: { waiting: { reason: "ErrImagePull", message: "not found" } },
			},
		],
	});
	const failure = await failureOf(verifying);
	assert.equal(failure.code, "workload_stuck");
	assert.match(failure.message, /Job verify-abc-1: ErrImagePull/);
	assert.deepEqual(
		events.map(({ type }) => type),
		["workload.stuck"],
	);
});

test("a Job that ran out of time has lost its pod, and says so", async () => {
	const verifying = verify();
	await watching();
	putJobEnd("Failed", "DeadlineExceeded");
	const failure = await failureOf(verifying);
	assert.equal(failure.code, "verification_failed");
	assert.match(failure.message, /ended without findings/);
});

test("a Job that ends before its pod's end is seen has the pod asked for", async () => {
	api.control.intercept = ({ path, query }) =>
		path.endsWith("/pods") && query.has("watch")
			? new Promise(() => undefined)
			: undefined;
	const verifying = verify();
	await until("the Job's watch is open", () => api.countWatches() === 2);
	putEnd(0, JSON.stringify(passed));
	putJobEnd("Complete", "Done");
	assert.deepEqual(await verifying, { server: "0.6.1" });
});

test("a pod that the cluster takes away is worth another attempt", async () => {
	const verifying = verify();
	await watching();
	putPod({ phase: "Failed", reason: "Evicted", message: "low on memory" });
	const failure = await failureOf(verifying);
	assert.equal(failure.code, "unavailable");
	assert.equal(failure.retryable, true);
	assert.match(failure.message, /Evicted/);
});

test("a container that is ended for a more important pod is worth another attempt", async () => {
	const verifying = verify();
	await watching();
	putPod({
		phase: "Failed",
		reason: "Preempting",
		conditions: [{ type: "DisruptionTarget", status: "True" }],
		containerStatuses: [
			{ name: "verify", state: { terminated: { exitCode: 137 } } },
		],
	});
	assert.equal((await failureOf(verifying)).retryable, true);
});

test("a Job that somebody deletes is worth another attempt", async () => {
	const verifying = verify();
	await watching();
	api.remove(jobs, "verify-abc-1");
	const failure = await failureOf(verifying);
	assert.equal(failure.code, "unavailable");
	assert.equal(failure.retryable, true);
});

test("a namespace that is not there cannot be verified", async () => {
	api.remove(namespaces, "ns");
	assert.equal((await failureOf(verify())).code, "not_found");
});

test("a verification that is cancelled ends at once and says what it waited for", async () => {
	const verifying = verify();
	await watching();
	controller.abort();
	const failure = await failureOf(verifying);
	assert.equal(failure.code, "cancelled");
	assert.match(failure.message, /verify-abc-1 was ended: it is not complete/);
});

const job = makeVerifyJob(request, {
	"impresario.dev/environment": "env_1",
	"impresario.dev/tenant": "acme",
	"team-label": "of no concern",
});

test("the Job and its pod carry whose they are, and what kind of Job it is", () => {
	const labels = {
		"impresario.dev/environment": "env_1",
		"impresario.dev/tenant": "acme",
		"app.kubernetes.io/managed-by": "impresario",
		"impresario.dev/job": "verify",
	};
	assert.deepEqual(job.metadata.labels, labels);
	assert.deepEqual(job.spec.template.metadata.labels, labels);
	assert.equal(job.metadata.name, "verify-abc-1");
});

test("the Job tries once, ends by itself and is cleaned up", () => {
	const { backoffLimit, activeDeadlineSeconds, ttlSecondsAfterFinished } =
		job.spec;
	assert.deepEqual(
		{ backoffLimit, activeDeadlineSeconds, ttlSecondsAfterFinished },
		{
			backoffLimit: 0,
			activeDeadlineSeconds: 240,
			ttlSecondsAfterFinished: 600,
		},
	);
});

test("the Job's pod may do nothing but ask", () => {
	const { spec } = job.spec.template;
	assert.equal(spec.enableServiceLinks, false);
	assert.equal(spec.automountServiceAccountToken, false);
	assert.equal(spec.restartPolicy, "Never");
	assert.equal(spec.securityContext.runAsUser, 1000);
	assert.deepEqual(spec.containers[0]?.securityContext, {
		allowPrivilegeEscalation: false,
		readOnlyRootFilesystem: true,
		capabilities: { drop: ["ALL"] },
	});
});

test("the checks are handed over whole, without what Kubernetes would expand", () => {
	const checks = [{ process: "a", url: "http://a/?x=$(HOME)$$", version: "1" }];
	const { spec } = makeVerifyJob({ ...request, checks }, {}).spec.template;
	const variable = spec.containers[0]?.env[0];
	assert.ok(variable !== undefined && "value" in variable);
	const { value } = variable;
	assert.ok(!value.includes("$"));
	assert.deepEqual(JSON.parse(value), checks);
});
