import assert from "node:assert/strict";
import { test } from "node:test";
import type { Snapshot } from "../../src/cluster/workloads.ts";
import { decideWorkloads } from "../../src/cluster/workloads.ts";
import {
	makeClaim,
	makeDeployment,
	makeEvent,
	makeJob,
	makePod,
	makeStatefulSet,
	readyStatus,
} from "./given.ts";

const nothing: Snapshot = {
	deployments: [],
	statefulSets: [],
	jobs: [],
	replicaSets: [],
	pods: [],
	claims: [],
	events: [],
};

const list = (snapshot: Partial<Snapshot>) =>
	decideWorkloads({ ...nothing, ...snapshot }).map(
		({ kind, name, verdict }) => `${kind} ${name} ${verdict.state}`,
	);

test("each workload is named as events name it", () => {
	const workloads = list({
		deployments: [makeDeployment(undefined)],
		statefulSets: [makeStatefulSet({})],
		jobs: [makeJob(undefined)],
		claims: [makeClaim("Bound")],
	});
	assert.deepEqual(workloads, [
		"apps/v1/StatefulSet mongodb waiting",
		"apps/v1/Deployment server waiting",
		"batch/v1/Job migrate waiting",
		"v1/PersistentVolumeClaim data-0 ready",
	]);
});

test("a verification that failed before is not waited for", () => {
	const job = makeJob([{ type: "Failed", status: "True" }]);
	const labels = { "impresario.dev/job": "verify" };
	const verify = { ...job, metadata: { ...job.metadata, labels } };
	assert.deepEqual(list({ jobs: [verify] }), []);
});

test("a nightly Job that failed is not waited for", () => {
	const job = makeJob([{ type: "Failed", status: "True" }]);
	const ownerReferences = [
		{ apiVersion: "batch/v1", kind: "CronJob", name: "backup", uid: "u" },
	];
	const nightly = { ...job, metadata: { ...job.metadata, ownerReferences } };
	assert.deepEqual(list({ jobs: [nightly] }), []);
});

test("what is being deleted is not waited for", () => {
	const deployment = makeDeployment(undefined);
	const deletionTimestamp = "2026-01-01T00:00:00Z";
	const going = {
		...deployment,
		metadata: { ...deployment.metadata, deletionTimestamp },
	};
	assert.deepEqual(list({ deployments: [going] }), []);
});

test("a claim that waits for its first pod is not waited for, one that a pod mounts is", () => {
	const claims = [makeClaim("Pending")];
	assert.deepEqual(list({ claims }), []);
	const pods = [makePod({ claim: "data-0", status: readyStatus })];
	assert.deepEqual(list({ claims, pods }), [
		"v1/PersistentVolumeClaim data-0 waiting",
	]);
});

test("a claim that cannot get its volume is told of even if no pod mounts it", () => {
	const claim = makeClaim("Pending");
	const events = [makeEvent(claim, "ProvisioningFailed", "not found")];
	assert.deepEqual(list({ claims: [claim], events }), [
		"v1/PersistentVolumeClaim data-0 stuck",
	]);
});
