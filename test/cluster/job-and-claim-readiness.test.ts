import assert from "node:assert/strict";
import { test } from "node:test";
import { decideClaim } from "../../src/cluster/claim-readiness.ts";
import { decideJob } from "../../src/cluster/readiness.ts";
import {
	containerStatus,
	makeClaim,
	makeEvent,
	makeJob,
	makePod,
	waitingStatus,
} from "./given.ts";

const nothing = { replicaSets: [], pods: [], events: [] };

test("a Job that is complete is ready", () => {
	const job = makeJob([{ type: "Complete", status: "True" }]);
	assert.equal(decideJob(job, nothing).state, "ready");
});

test("a Job that was suspended on purpose is ready: it rests as it was told", () => {
	const job = makeJob([{ type: "Suspended", status: "True" }], {
		suspend: true,
	});
	assert.equal(decideJob(job, nothing).state, "ready");
});

test("a Job that runs is waited for", () => {
	const verdict = decideJob(makeJob(undefined), nothing);
	assert.deepEqual(verdict, { state: "waiting", reason: "it is not complete" });
});

test("a Job whose pod failed once may try again", () => {
	const job = makeJob(undefined);
	const pods = [makePod({ owner: job, status: { phase: "Failed" } })];
	assert.equal(decideJob(job, { ...nothing, pods }).state, "waiting");
});

test("a Job that failed says how its last pod ended", () => {
	const job = makeJob([
		{
			type: "Failed",
			status: "True",
			reason: "BackoffLimitExceeded",
			message: "Job has reached the specified backoff limit",
		},
	]);
	const pod = makePod({
		owner: job,
		status: containerStatus(
			{ state: { terminated: { exitCode: 3, reason: "Error" } } },
			"Failed",
		),
	});
	const verdict = decideJob(job, { ...nothing, pods: [pod] });
	assert.equal(verdict.state, "stuck");
	if (verdict.state !== "stuck") return;
	assert.equal(verdict.reason, "BackoffLimitExceeded");
	assert.match(verdict.message, /backoff limit .*exit code 3/);
	assert.match(verdict.advice, /kubectl -n ns logs pod-1/);
	assert.equal(verdict.lasting, true);
});

test("a Job that failed without a pod says where to look", () => {
	const job = makeJob([
		{ type: "Failed", status: "True", reason: "DeadlineExceeded" },
	]);
	const verdict = decideJob(job, nothing);
	assert.match(
		verdict.state === "stuck" ? verdict.advice : "",
		/describe job migrate/,
	);
});

test("a Job whose pod cannot pull its image is stuck before it fails", () => {
	const job = makeJob(undefined);
	const status = waitingStatus("ErrImagePull", "not found");
	const pods = [makePod({ owner: job, status })];
	const verdict = decideJob(job, { ...nothing, pods });
	assert.equal(verdict.state === "stuck" && verdict.reason, "ErrImagePull");
});

test("a Job whose pod may not be created is told by its event", () => {
	const job = makeJob(undefined);
	const events = [makeEvent(job, "FailedCreate", "forbidden: exceeded quota")];
	const verdict = decideJob(job, { ...nothing, events });
	assert.equal(verdict.state === "stuck" && verdict.reason, "FailedCreate");
});

test("a bound claim is ready, an unbound one is waited for", () => {
	assert.equal(decideClaim(makeClaim("Bound"), []).state, "ready");
	assert.equal(decideClaim(makeClaim("Pending"), []).state, "waiting");
});

const claim = makeClaim("Pending");
const provisioning = [
	['storageclass.storage.k8s.io "fast" not found', true],
	["rpc error: DeadlineExceeded", false],
] as const;
for (const [message, lasting] of provisioning) {
	test(`a claim without a volume says why (${message})`, () => {
		const event = makeEvent(claim, "ProvisioningFailed", message);
		const verdict = decideClaim(claim, [event]);
		assert.equal(verdict.state, "stuck");
		if (verdict.state !== "stuck") return;
		assert.equal(verdict.message, message);
		assert.equal(verdict.lasting, lasting);
		assert.match(verdict.advice, /storage class/);
	});
}

test("a claim in a cluster without a default storage class says so", () => {
	const verdict = decideClaim(makeClaim("Pending", {}), []);
	assert.equal(verdict.state === "stuck" && verdict.reason, "NoStorageClass");
});

test("a claim that lost its volume lost its data", () => {
	const verdict = decideClaim(makeClaim("Lost"), []);
	assert.equal(verdict.state === "stuck" && verdict.reason, "ClaimLost");
});
