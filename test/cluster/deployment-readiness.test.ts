import assert from "node:assert/strict";
import { test } from "node:test";
import type { Deployment } from "../../src/cluster/objects.ts";
import { decideDeployment } from "../../src/cluster/readiness.ts";
import {
	makeDeployment,
	makePod,
	makeReplicaSet,
	waitingStatus,
} from "./given.ts";

const nothing = { replicaSets: [], pods: [], events: [] };

const done = { replicas: 2, updatedReplicas: 2, availableReplicas: 2 };

const counts: readonly (readonly [string, Deployment, string, RegExp?])[] = [
	[
		"all replicas updated and available is ready",
		makeDeployment(done),
		"ready",
	],
	[
		"none of none is ready",
		makeDeployment({ replicas: 0 }, { replicas: 0 }),
		"ready",
	],
	[
		"a Deployment that its controller has not seen waits",
		makeDeployment(undefined),
		"waiting",
		/has not seen it/,
	],
	[
		"the status of a generation before says nothing",
		makeDeployment({ ...done, observedGeneration: 0 }),
		"waiting",
		/has not seen it/,
	],
	[
		"one of two available waits",
		makeDeployment({ ...done, availableReplicas: 1 }),
		"waiting",
		/1 of 2 replicas are available/,
	],
	[
		"available replicas of the revision before do not count",
		makeDeployment({ replicas: 3, updatedReplicas: 1, availableReplicas: 2 }),
		"waiting",
		/1 of 2 replicas are available/,
	],
	[
		"a replica of the revision before that is still there is waited for",
		makeDeployment({ replicas: 3, updatedReplicas: 2, availableReplicas: 3 }),
		"waiting",
		/1 of the replicas before are still there/,
	],
	[
		"replicas that are too many after a scale-down are waited for",
		makeDeployment({ ...done, readyReplicas: 2 }, { replicas: 0 }),
		"waiting",
		/2 of the replicas before are still there/,
	],
];
for (const [name, deployment, state, reason = /^/] of counts) {
	test(name, () => {
		const verdict = decideDeployment(deployment, nothing);
		assert.equal(verdict.state, state);
		if (verdict.state === "waiting") assert.match(verdict.reason, reason);
	});
}

const rolling = makeDeployment({ replicas: 2, updatedReplicas: 1 });
const brokenImage = waitingStatus("ImagePullBackOff", "not found");

test("a stuck pod of the new revision is the Deployment's reason", () => {
	const replicaSet = makeReplicaSet(rolling, "2");
	const verdict = decideDeployment(rolling, {
		...nothing,
		replicaSets: [makeReplicaSet(rolling, "1"), replicaSet],
		pods: [makePod({ owner: replicaSet, status: brokenImage })],
	});
	assert.equal(verdict.state, "stuck");
	assert.equal(verdict.state === "stuck" && verdict.reason, "ImagePullBackOff");
});

test("a stuck pod of the revision before is no reason: this revision mends it", () => {
	const old = makeReplicaSet(rolling, "1");
	const verdict = decideDeployment(rolling, {
		...nothing,
		replicaSets: [old, makeReplicaSet(rolling, "2")],
		pods: [makePod({ owner: old, status: brokenImage })],
	});
	assert.equal(verdict.state, "waiting");
});

test("a pod that is going or gone is replaced, and no reason", () => {
	const owner = makeReplicaSet(rolling, "2");
	const verdict = decideDeployment(rolling, {
		...nothing,
		replicaSets: [owner],
		pods: [
			makePod({
				owner,
				metadata: { deletionTimestamp: "2026-01-01T00:00:00Z" },
				status: brokenImage,
			}),
			makePod({ owner, status: { phase: "Failed", reason: "Evicted" } }),
		],
	});
	assert.equal(verdict.state, "waiting");
});

test("waiting says how far it is and which pod holds it up", () => {
	const owner = makeReplicaSet(rolling, "2");
	const verdict = decideDeployment(rolling, {
		...nothing,
		replicaSets: [owner],
		pods: [makePod({ owner, status: { phase: "Running" } })],
	});
	assert.deepEqual(verdict, {
		state: "waiting",
		reason: "0 of 2 replicas are available; Pod pod-1 is not ready",
	});
});

const refusals = [
	["quota lasts", 'pods "x" is forbidden: exceeded quota: q', true, /quota/],
	[
		"Pod Security lasts",
		'pods "x" is forbidden: violates PodSecurity "restricted:latest"',
		true,
		/rules of the namespace/,
	],
	[
		"a service account that is not there yet passes",
		'pods "x" is forbidden: error looking up service account ns/default',
		false,
		/rules/,
	],
	[
		"a webhook that is away passes",
		"Internal error occurred: failed calling webhook: connection refused",
		false,
		/rules/,
	],
] as const;
for (const [name, message, lasting, advice] of refusals) {
	test(`pods that may not be created: ${name}`, () => {
		const verdict = decideDeployment(rolling, {
			...nothing,
			replicaSets: [
				makeReplicaSet(rolling, "2", {
					replicas: 0,
					conditions: [{ type: "ReplicaFailure", status: "True", message }],
				}),
			],
		});
		assert.equal(verdict.state, "stuck");
		if (verdict.state !== "stuck") return;
		assert.equal(verdict.reason, "FailedCreate");
		assert.equal(verdict.message, message);
		assert.equal(verdict.lasting, lasting);
		assert.match(verdict.advice, advice);
	});
}

test("quota that going pods still hold passes when they are gone", () => {
	const verdict = decideDeployment(rolling, {
		...nothing,
		replicaSets: [
			makeReplicaSet(rolling, "2", {
				replicas: 0,
				conditions: [
					{
						type: "ReplicaFailure",
						status: "True",
						message: "forbidden: exceeded quota",
					},
				],
			}),
		],
		pods: [
			makePod({
				metadata: { deletionTimestamp: "2026-01-01T00:00:00Z" },
				status: { phase: "Running" },
			}),
		],
	});
	assert.equal(verdict.state === "stuck" && verdict.lasting, false);
});

test("a rollout that has made no progress is told, and given its time", () => {
	const verdict = decideDeployment(
		makeDeployment({
			replicas: 2,
			updatedReplicas: 1,
			conditions: [
				{
					type: "Progressing",
					status: "False",
					reason: "ProgressDeadlineExceeded",
					message: "has timed out progressing",
				},
			],
		}),
		nothing,
	);
	assert.equal(verdict.state, "stuck");
	assert.equal(verdict.state === "stuck" && verdict.lasting, false);
});
