// The verification of an `ha` environment finds what is broken in the living cluster, and says what it is.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { makeCluster } from "../../src/cluster/connect.ts";
import type { BlueprintOutputs, Check } from "../../src/domain/blueprint.ts";
import type { Cluster } from "../../src/domain/cluster.ts";
import { Failure } from "../../src/failure.ts";
import { declare, givenInput } from "../programs/declared.ts";
import { type KubernetesObject, kubectl } from "../support/kubectl.ts";
import {
	adminKubeconfig,
	listLive,
	type Ordered,
	openStage,
	type Stage,
} from "./stage.ts";

interface Job extends KubernetesObject {
	readonly spec: {
		readonly template: {
			readonly spec: {
				readonly containers: readonly {
					readonly env: readonly {
						readonly name: string;
						readonly value?: string;
						readonly valueFrom?: unknown;
					}[];
				}[];
			};
		};
	};
}

let stage: Stage;
let ordered: Ordered;
let cluster: Cluster;
let promised: BlueprintOutputs;
before(async () => {
	stage = await openStage();
	ordered = await stage.order({ name: "verified", size: "ha" });
	assert.equal(
		ordered.operation.state,
		"succeeded",
		JSON.stringify(ordered.operation.error),
	);
	cluster = makeCluster(
		readFileSync(process.env.TEST_KUBECONFIG ?? "", "utf8"),
	);
	const { namespace } = ordered.environment;
	promised = (await declare(givenInput("ha", { namespace }))).outputs;
});
after(async () => {
	await cluster?.close();
	await stage?.close();
});

const verifyAgain = (run: string) =>
	cluster.verify(
		{
			namespace: ordered.environment.namespace,
			run,
			image: "maestroserver/server-maestro:0.6.0",
			checks: promised.checks,
			...(promised.pods === undefined ? {} : { pods: promised.pods }),
			...(promised.serviceAccount === undefined
				? {}
				: { serviceAccount: promised.serviceAccount }),
		},
		{ signal: AbortSignal.timeout(60_000), onEvent: () => {} },
	);

test("a new environment was asked just what its program promises, with the broker's password by reference", async () => {
	const jobs = await listLive<Job>(ordered.environment.namespace, "jobs");
	const job = jobs.find(
		({ metadata }) => metadata.labels?.["impresario.dev/job"] === "verify",
	);
	const env = job?.spec.template.spec.containers[0]?.env ?? [];
	const asked = env.find(({ name }) => name === "CHECKS")?.value ?? "[]";
	assert.deepEqual(JSON.parse(asked) as Check[], promised.checks);
	assert.deepEqual(
		env.filter(({ name }) => name !== "CHECKS"),
		[
			{
				name: "QUEUES_PASSWORD",
				valueFrom: {
					secretKeyRef: { name: "datastores", key: "RABBITMQ_PASSWORD" },
				},
			},
		],
	);
});

const scale = (workload: string, replicas: number) =>
	kubectl(
		adminKubeconfig(),
		"-n",
		ordered.environment.namespace,
		"scale",
		workload,
		`--replicas=${replicas}`,
	);

describe("a member, a worker and a scheduler that are not as promised", () => {
	let failure: Failure;
	before(async () => {
		await scale("statefulset/mongodb", 2);
		await scale("deployment/discovery-worker", 0);
		await scale("deployment/scheduler", 2);
		const error: unknown = await verifyAgain("broken").catch(
			(reason: unknown) => reason,
		);
		assert.ok(error instanceof Failure, String(error));
		failure = error;
	});

	test("fail the verification, which leaves everything as it is and says where to look", () => {
		assert.equal(failure.code, "verification_failed");
		assert.equal(failure.retryable, false);
		assert.match(failure.untouched ?? "", /left running/);
		assert.match(
			failure.advice ?? "",
			new RegExp(ordered.environment.namespace),
		);
	});

	for (const [what, words] of [
		[
			"the missing member of the set",
			"mongodb (2 of 3 members: mongodb-2.mongodb:27017 no such host)",
		],
		[
			"the queue that nobody works on",
			"rabbitmq (nobody works on the queue discovery)",
		],
		["the second scheduler", "scheduler (expected exactly 1 pod, found 2)"],
		[
			"the worker without pods",
			"discovery-worker (expected 2 ready pods, found 0)",
		],
		[
			"the store with a pod too few",
			"mongodb (expected exactly 3 pods, found 2)",
		],
	] as const) {
		test(`name ${what}`, () => {
			assert.ok(failure.message.includes(words), failure.message);
		});
	}

	test("name nothing else", () => {
		assert.match(failure.message, /^5 of \d+ promises/);
	});
});

test("mended, it passes, in less than three seconds", async () => {
	await scale("statefulset/mongodb", 3);
	await scale("deployment/discovery-worker", 2);
	await scale("deployment/scheduler", 1);
	await cluster.waitUntilReady(ordered.environment.namespace, {
		signal: AbortSignal.timeout(60_000),
		onEvent: () => {},
	});
	const begun = performance.now();
	const versions = await verifyAgain("mended");
	const ms = performance.now() - begun;
	assert.equal(Object.keys(versions).length, 7);
	assert.ok(ms < 3_000, `${ms} ms`);
});
