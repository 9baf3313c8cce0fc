import assert from "node:assert/strict";
import { test } from "node:test";
import type { StatefulSet } from "../../src/cluster/objects.ts";
import { decideStatefulSet } from "../../src/cluster/readiness.ts";
import { makeEvent, makePod, makeStatefulSet, waitingStatus } from "./given.ts";

const nothing = { replicaSets: [], pods: [], events: [] };
const all = { readyReplicas: 3, availableReplicas: 3, updatedReplicas: 3 };

const cases: readonly (readonly [string, StatefulSet, string, RegExp?])[] = [
	["all ready and of one revision is ready", makeStatefulSet(all), "ready"],
	[
		"none of none is ready",
		makeStatefulSet({ replicas: 0 }, { replicas: 0 }),
		"ready",
	],
	[
		"a generation that was not seen waits",
		makeStatefulSet({ ...all, observedGeneration: 0 }),
		"waiting",
		/has not seen it/,
	],
	[
		"two of three ready waits",
		makeStatefulSet({ ...all, readyReplicas: 2 }),
		"waiting",
		/2 of 3 replicas are ready/,
	],
	[
		"all ready of a revision before waits",
		makeStatefulSet({ ...all, updatedReplicas: 1, updateRevision: "b" }),
		"waiting",
		/1 of 3 replicas are of the new revision/,
	],
	[
		"a member too many after a scale-down is waited for",
		makeStatefulSet({ ...all, replicas: 3 }, { replicas: 1 }),
		"waiting",
	],
	[
		"updates that wait for a deletion are not waited for",
		makeStatefulSet(
			{ ...all, updateRevision: "b" },
			{ updateStrategy: { type: "OnDelete" } },
		),
		"ready",
	],
	[
		"a partition is ready when what is above it is updated",
		makeStatefulSet(
			{ ...all, updatedReplicas: 1, updateRevision: "b" },
			{
				updateStrategy: {
					type: "RollingUpdate",
					rollingUpdate: { partition: 2 },
				},
			},
		),
		"ready",
	],
	[
		"a partition waits until what is above it is updated",
		makeStatefulSet(
			{ ...all, updatedReplicas: 1, updateRevision: "b" },
			{
				updateStrategy: {
					type: "RollingUpdate",
					rollingUpdate: { partition: 1 },
				},
			},
		),
		"waiting",
	],
];
for (const [name, set, state, reason = /^/] of cases) {
	test(name, () => {
		const verdict = decideStatefulSet(set, nothing);
		assert.equal(verdict.state, state);
		if (verdict.state === "waiting") assert.match(verdict.reason, reason);
	});
}

test("a broken pod of the revision before is to be deleted: nothing else replaces it", () => {
	const set = makeStatefulSet({ readyReplicas: 2, updateRevision: "b" });
	const pod = makePod({
		name: "mongodb-2",
		owner: set,
		metadata: { labels: { "controller-revision-hash": "a" } },
		status: waitingStatus("ImagePullBackOff", "not found"),
	});
	const verdict = decideStatefulSet(set, { ...nothing, pods: [pod] });
	assert.equal(verdict.state, "stuck");
	if (verdict.state !== "stuck") return;
	assert.match(verdict.advice, /kubectl -n ns delete pod mongodb-2/);
	assert.equal(verdict.lasting, true);
});

const set = makeStatefulSet({ replicas: 1, readyReplicas: 1 });
const refused = makeEvent(
	set,
	"FailedCreate",
	'create Pod mongodb-1 failed: pods "mongodb-1" is forbidden: exceeded quota',
	"2026-01-01T00:05:00Z",
);
const member = (name: string, creationTimestamp: string) =>
	makePod({
		name,
		owner: set,
		metadata: {
			creationTimestamp,
			labels: { "controller-revision-hash": "a" },
		},
		status: {
			phase: "Running",
			conditions: [{ type: "Ready", status: "True" }],
		},
	});

test("a pod that may not be created is told by its event", () => {
	const pods = [member("mongodb-0", "2026-01-01T00:04:00Z")];
	const verdict = decideStatefulSet(set, {
		...nothing,
		pods,
		events: [refused],
	});
	assert.equal(verdict.state === "stuck" && verdict.reason, "FailedCreate");
	assert.equal(verdict.state === "stuck" && verdict.lasting, true);
});

test("an event of before a pod was created is over", () => {
	const pods = [member("mongodb-0", "2026-01-01T00:06:00Z")];
	const verdict = decideStatefulSet(set, {
		...nothing,
		pods,
		events: [refused],
	});
	assert.equal(verdict.state, "waiting");
});

test("an event is over once all pods are there", () => {
	const pods = [0, 1, 2].map((index) =>
		member(`mongodb-${index}`, "2026-01-01T00:04:00Z"),
	);
	const verdict = decideStatefulSet(set, {
		...nothing,
		pods,
		events: [refused],
	});
	assert.equal(verdict.state, "waiting");
});
