import assert from "node:assert/strict";
import { test } from "node:test";
import { makeProgress } from "../../src/cluster/progress.ts";
import type { Verdict } from "../../src/cluster/verdict.ts";
import type { Workload } from "../../src/cluster/workloads.ts";

const limits = { stuckGraceMs: 8_000, reportAfterMs: 1_000 };

const workload = (verdict: Verdict, name = "server"): Workload => ({
	kind: "apps/v1/Deployment",
	name,
	verdict,
});
const waiting: Verdict = { state: "waiting", reason: "0 of 1" };
const ready: Verdict = { state: "ready" };
const stuck = (reason: string, lasting: boolean): Verdict => ({
	state: "stuck",
	reason,
	message: `because of ${reason}`,
	advice: `mend ${reason}`,
	lasting,
});

test("a workload is told ready once, and only once", () => {
	const advance = makeProgress(limits);
	assert.deepEqual(advance([workload(waiting)], 0).events, []);
	assert.deepEqual(advance([workload(ready)], 1).events, [
		{
			type: "workload.ready",
			data: { kind: "apps/v1/Deployment", name: "server" },
		},
	]);
	advance([workload(waiting)], 2);
	assert.deepEqual(advance([workload(ready)], 3).events, []);
});

test("a reason that lasts is told at once, each reason once", () => {
	const advance = makeProgress(limits);
	const reasons = ["ErrImagePull", "ImagePullBackOff", "ErrImagePull"];
	const told = reasons.map(
		(reason, index) => advance([workload(stuck(reason, true))], index).events,
	);
	assert.deepEqual(
		told.map((events) => events.length),
		[1, 1, 0],
	);
});

test("a reason that may pass is told only when it stands", () => {
	const advance = makeProgress(limits);
	const first = advance([workload(stuck("Unschedulable", false))], 0);
	assert.deepEqual(first, {
		events: [],
		failure: undefined,
		againInMs: 1_000,
	});
	const later = advance([workload(stuck("Unschedulable", false))], 1_000);
	assert.equal(later.events.length, 1);
	assert.equal(later.againInMs, undefined);
});

test("a reason that passed in time is never told", () => {
	const advance = makeProgress(limits);
	advance([workload(stuck("Unschedulable", false))], 0);
	advance([workload(waiting)], 500);
	const step = advance([workload(stuck("Unschedulable", false))], 1_200);
	assert.deepEqual(step.events, []);
});

test("a reason that may pass never ends the wait", () => {
	const advance = makeProgress(limits);
	advance([workload(stuck("Unschedulable", false))], 0);
	const step = advance([workload(stuck("Unschedulable", false))], 900_000);
	assert.equal(step.failure, undefined);
});

test("a lasting reason ends the wait after its grace, whatever it is called meanwhile", () => {
	const advance = makeProgress(limits);
	advance([workload(stuck("ErrImagePull", true))], 0);
	const between = advance([workload(stuck("ImagePullBackOff", true))], 7_000);
	assert.equal(between.failure, undefined);
	assert.equal(between.againInMs, 1_000);
	const { failure } = advance(
		[workload(stuck("ImagePullBackOff", true))],
		8_000,
	);
	assert.equal(failure?.code, "workload_stuck");
	assert.equal(
		failure?.message,
		"One workload is stuck. Deployment server: ImagePullBackOff. because of ImagePullBackOff",
	);
	assert.equal(failure?.advice, "mend ImagePullBackOff");
	assert.equal(failure?.retryable, false);
});

test("a lasting reason that passed starts anew when it returns", () => {
	const advance = makeProgress(limits);
	advance([workload(stuck("CrashLoopBackOff", true))], 0);
	advance([workload(waiting)], 5_000);
	const step = advance([workload(stuck("CrashLoopBackOff", true))], 9_000);
	assert.equal(step.failure, undefined);
});

test("the failure names all that are stuck for good, and each advice once", () => {
	const advance = makeProgress(limits);
	const workloads = ["server", "data"].map((name) =>
		workload(stuck("ImagePullBackOff", true), name),
	);
	const all = [...workloads, workload(stuck("Unschedulable", false), "audit")];
	advance(all, 0);
	const { failure } = advance(all, 8_000);
	assert.match(failure?.message ?? "", /^2 workloads are stuck\./);
	assert.match(failure?.message ?? "", /Deployment data/);
	assert.doesNotMatch(failure?.message ?? "", /audit/);
	assert.equal(failure?.advice, "mend ImagePullBackOff");
});
