import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { VersionCheck } from "../../src/domain/blueprint.ts";
import type { CheckResult } from "../../src/domain/cluster.ts";
import type { Api } from "../../src/sandbox/api.ts";
import {
	type ControlPlane,
	startControlPlane,
} from "../../src/sandbox/control-plane.ts";
import { until } from "../support/until.ts";
import { loadTools, makeFolder, openClient } from "./given.ts";
import {
	createDeployment,
	createJob,
	createNamespace,
	findMain,
	findPod,
	isReady,
	type PodWithContainers,
} from "./workloads.ts";

const folder = makeFolder();
const { dir } = folder;
const namespace = "acme-qa-1-x7k2";
const image = (tag: string) => `maestroserver/server-maestro:${tag}`;
let controlPlane: ControlPlane;
let api: Api;
let slowSince: number;

before(async () => {
	controlPlane = await startControlPlane({
		dir,
		tools: loadTools(),
		throwAway: true,
	});
	api = openClient(dir);
	await createNamespace(api, namespace);
	slowSince = Date.now();
	for (const name of [
		"fine",
		"no-such-image",
		"crash",
		"never-ready",
		"slow",
		"wrong-version",
	]) {
		await createDeployment(api, namespace, {
			name,
			image: image(`0.6.0-${name}`),
		});
	}
});
after(async () => {
	api.close();
	await controlPlane.stop();
	folder.remove();
});

/** The pod once it is as asked. */
const untilPod = (
	name: string,
	what: string,
	ask: (pod: PodWithContainers) => boolean,
) =>
	until(`${name} ${what}`, async () => {
		const pod = await findPod(api, namespace, name);
		return pod !== undefined && ask(pod) ? pod : undefined;
	});

test("an image that is not there: ErrImagePull and then ImagePullBackOff, pending for good", async () => {
	const pod = await untilPod(
		"no-such-image",
		"backs off",
		(it) => findMain(it)?.state.waiting?.reason === "ImagePullBackOff",
	);
	assert.equal(pod.status.phase, "Pending");
	assert.ok(!isReady(pod));
});

test("a container that crashes: CrashLoopBackOff with its restarts", async () => {
	const pod = await untilPod(
		"crash",
		"backs off",
		(it) => findMain(it)?.state.waiting?.reason === "CrashLoopBackOff",
	);
	assert.equal(pod.status.phase, "Running");
	assert.ok((findMain(pod)?.restartCount ?? 0) >= 3);
	assert.ok(!isReady(pod));
});

test("only the container whose image carries the fault has it", async () => {
	const pod = await untilPod(
		"crash",
		"is played",
		(it) => findMain(it) !== undefined,
	);
	const beside = pod.status.containerStatuses?.find(
		({ name }) => name === "beside",
	);
	assert.equal(beside?.ready, true);
});

test("a wrong version runs like a right one", async () => {
	await untilPod("wrong-version", "is ready", isReady);
	await untilPod("fine", "is ready", isReady);
});

test("a Job without a fault succeeds at once, one that crashes fails, one that is never ready stays", async () => {
	await createJob(api, namespace, { name: "migrate", image: image("0.6.0") });
	await createJob(api, namespace, {
		name: "broken",
		image: image("0.6.0-crash"),
	});
	await createJob(api, namespace, {
		name: "stuck",
		image: image("0.6.0-never-ready"),
	});
	await untilPod(
		"migrate",
		"succeeds",
		(it) => it.status.phase === "Succeeded",
	);
	await untilPod("broken", "fails", (it) => it.status.phase === "Failed");
	await untilPod("stuck", "runs", (it) => it.status.phase === "Running");
});

const check = (name: string): VersionCheck => ({
	process: name,
	url: `http://${name}:8888/`,
	version: "0.6.0",
});

/** What a verification Job left: its exit code and its results. */
async function verify(name: string, checks: readonly VersionCheck[]) {
	await createJob(api, namespace, { name, image: "node:24", checks });
	const pod = await untilPod(
		name,
		"ends",
		(it) => findMain(it)?.state.terminated !== undefined,
	);
	const ended = findMain(pod)?.state.terminated;
	const results: CheckResult[] = JSON.parse(ended?.message ?? "");
	return { phase: pod.status.phase, exitCode: ended?.exitCode, results };
}

test("a verification Job succeeds where everything answers as promised", async () => {
	await createDeployment(api, namespace, {
		name: "server",
		image: image("0.6.0"),
	});
	await untilPod("server", "is ready", isReady);
	assert.deepEqual(await verify("verify-good", [check("server")]), {
		phase: "Succeeded",
		exitCode: 0,
		results: [{ process: "server", version: "0.6.0", error: null }],
	});
	type Job = { status: { succeeded?: number } };
	const path = `/apis/batch/v1/namespaces/${namespace}/jobs/verify-good`;
	await until("the Job counts it", async () => {
		return (await api.find<Job>(path)).status.succeeded === 1;
	});
});

test("a verification Job fails and tells each reason where something does not", async () => {
	const told = await verify("verify-bad", [
		check("server"),
		check("wrong-version"),
		check("never-ready"),
		check("nobody"),
	]);
	assert.deepEqual(told, {
		phase: "Failed",
		exitCode: 1,
		results: [
			{ process: "server", version: "0.6.0", error: null },
			{
				process: "wrong-version",
				version: "0.0.0",
				error: "answered 0.0.0 instead of 0.6.0",
			},
			{ process: "never-ready", version: null, error: "connection refused" },
			{ process: "nobody", version: null, error: "no such host: nobody" },
		],
	});
});

test("a slow container runs at once and is ready after ten seconds", async () => {
	const before = await untilPod(
		"slow",
		"runs",
		(it) => it.status.phase === "Running",
	);
	const wasReady = isReady(before);
	await untilPod("slow", "is ready", isReady);
	assert.ok(wasReady || Date.now() - slowSince >= 10_000);
});

test("a container that is never ready runs and is not ready, also when the slow ones are", async () => {
	const pod = await untilPod(
		"never-ready",
		"runs",
		(it) => it.status.phase === "Running",
	);
	assert.ok(!isReady(pod));
	assert.equal(findMain(pod)?.ready, false);
});
