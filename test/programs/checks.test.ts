// What the program promises of an environment, for the verification to look at.
import assert from "node:assert/strict";
import { test } from "node:test";
import type {
	BlueprintInput,
	BlueprintOutputs,
} from "../../src/domain/blueprint.ts";
import { type Parameters, parameters } from "../../src/domain/parameters.ts";
import { processNames } from "../../src/domain/release.ts";
import type { Size } from "../../src/domain/spec.ts";
import { declare, givenInput, plantedAws } from "./declared.ts";

async function promise(
	size: Size,
	wish: object = {},
	changes: Partial<BlueprintInput> = {},
): Promise<BlueprintOutputs> {
	const whole: Parameters = parameters.parse(wish);
	const input = givenInput(size, { parameters: whole, ...changes });
	return (await declare(input)).outputs;
}

const find = ({ checks }: BlueprintOutputs, kind: string) =>
	checks.filter((check) => check.kind === kind);
const findPods = ({ pods = [] }: BlueprintOutputs, part: string) =>
	pods.filter((one) => one.part === part);

test("the client's page is asked for, without a version", async () => {
	assert.deepEqual(find(await promise("small"), "page"), [
		{
			kind: "page",
			process: "client",
			url: "http://client:80/",
			version: null,
		},
	]);
});

for (const [size, members] of [
	["small", 1],
	["ha", 3],
] as const) {
	test(`${size} promises a replica set of ${members}, by the names that the members have`, async () => {
		const [check] = find(await promise(size), "replicaSet");
		assert.ok(check?.kind === "replicaSet");
		assert.equal(check.set, "maestro");
		assert.deepEqual(
			check.hosts,
			["mongodb-0", "mongodb-1", "mongodb-2"]
				.slice(0, members)
				.map((name) => `${name}.mongodb:27017`),
		);
	});
}

test("each of the four queues has a consumer, asked of the management with a password by reference", async () => {
	const [check] = find(await promise("ha"), "queues");
	assert.ok(check?.kind === "queues");
	assert.deepEqual(check.queues, [
		"discovery",
		"reports",
		"scheduler",
		"analytics",
	]);
	assert.deepEqual(check.password, {
		secret: "datastores",
		key: "RABBITMQ_PASSWORD",
	});
	assert.doesNotMatch(JSON.stringify(check), /planted/);
});

test("a queue whose feature is off is not asked for, and without any there is no broker to ask", async () => {
	const some = await promise("small", { features: { reports: false } });
	const [check] = find(some, "queues");
	assert.ok(check?.kind === "queues");
	assert.deepEqual(check.queues, ["discovery", "scheduler", "analytics"]);
	const none = await promise("small", {
		features: {
			discovery: false,
			reports: false,
			analytics: false,
			scheduler: false,
		},
	});
	assert.deepEqual(find(none, "queues"), []);
	assert.deepEqual(findPods(none, "rabbitmq"), []);
});

test("stores elsewhere are nobody's to look at from inside", async () => {
	const outputs = await promise("ha", {
		external: {
			mongodb: "mongodb://db.example.test",
			rabbitmq: "amqp://mq.example.test",
		},
	});
	assert.deepEqual(find(outputs, "replicaSet"), []);
	assert.deepEqual(find(outputs, "queues"), []);
	assert.deepEqual(findPods(outputs, "mongodb"), []);
	assert.deepEqual(findPods(outputs, "rabbitmq"), []);
});

test("exactly one scheduler and one websocket are promised, in every size", async () => {
	for (const size of ["small", "ha"] as const) {
		const outputs = await promise(size);
		for (const part of ["scheduler", "websocket"])
			assert.deepEqual(findPods(outputs, part), [
				{ part, ready: 1, exactly: true, nodes: 1 },
			]);
	}
});

test("in ha every other part has two pods on two nodes, and each store three on three", async () => {
	const { target } = givenInput("ha");
	const outputs = await promise(
		"ha",
		{},
		{ target: { ...target, aws: plantedAws } },
	);
	const single = ["scheduler", "websocket"];
	for (const part of processNames.filter((name) => !single.includes(name)))
		assert.deepEqual(findPods(outputs, part), [
			{ part, ready: 2, exactly: false, nodes: 2 },
		]);
	for (const part of ["mongodb", "rabbitmq"])
		assert.deepEqual(findPods(outputs, part), [
			{ part, ready: 3, exactly: true, nodes: 3 },
		]);
});

test("whoever asks for more replicas than the size has is promised no more nodes, and in small none", async () => {
	const wish = { replicas: { data: 7 } };
	assert.deepEqual(findPods(await promise("ha", wish), "data"), [
		{ part: "data", ready: 7, exactly: false, nodes: 2 },
	]);
	assert.deepEqual(findPods(await promise("small", wish), "data"), [
		{ part: "data", ready: 7, exactly: false, nodes: 1 },
	]);
});

test("a feature that is off promises no pods", async () => {
	const outputs = await promise("small", { features: { audit: false } });
	assert.deepEqual(findPods(outputs, "audit"), []);
});
