// The fence: once an operation has another owner, nothing of the older one is written any more.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { until } from "../support/until.ts";
import {
	beginUpdate,
	completeUpdate,
	created,
	givenRun,
	listIn,
	makeDoor,
	namesIn,
	openWorld,
	project,
	type Running,
	sendEntries,
	stackPath,
} from "./given.ts";

const world = await openWorld({ sweepMs: 3_600_000 });
after(() => world.close());
const door = makeDoor(world.backend.url, world.token);

/** A worker's run with its stack made and its update started. */
async function given(name: string) {
	const run = await givenRun(world, name);
	await door("POST", `/api/stacks/impresario/${project}`, {
		token: run.token,
		body: { stackName: run.stack },
	});
	const stack = stackPath(run.stack, project);
	return { run, stack, update: await beginUpdate(door, stack, run) };
}

const send = (update: Running, first: number, name: string) =>
	sendEntries(door, update, created(first, first, name));
const complete = (update: Running) => completeUpdate(door, update);

test("the late writes of an owner that lost its lease are refused, and nothing of them is kept", async () => {
	const { run, stack, update } = await given("late");
	await send(update, 1, "kept");
	await run.takeOver();
	for (const [method, part, body] of [
		["PATCH", "journalentries", { entries: created(3, 2, "late") }],
		["PATCH", "checkpoint", { version: 3, deployment: {} }],
		[
			"PATCH",
			"checkpointverbatim",
			{
				version: 1,
				sequenceNumber: 1,
				untypedDeployment: { version: 3, deployment: {} },
			},
		],
		["POST", "renew_lease", { duration: 300 }],
		[
			"POST",
			"events/batch",
			{ events: [{ summaryEvent: { resourceChanges: { create: 9 } } }] },
		],
		["POST", "complete", { status: "succeeded" }],
	] as const) {
		const answer = await door(method, `${update.path}/${part}`, {
			lease: update.lease,
			body,
		});
		assert.deepEqual([answer.status, answer.body.code], [403, 403], part);
	}
	assert.deepEqual(await namesIn(door, stack), ["kept"]);
});

test("the next owner's start ends the older update and goes on from what it did", async () => {
	const { run, stack, update } = await given("takeover");
	await send(update, 1, "first");
	const next = await run.takeOver();
	const second = await beginUpdate(door, stack, next);
	assert.equal(second.version, 2);
	assert.deepEqual(await namesIn(door, stack, 1), ["first"]);
	await send(second, 1, "second");
	assert.equal((await send(update, 3, "late")).status, 403);
	assert.equal((await complete(second)).status, 204);
	assert.deepEqual(await namesIn(door, stack), ["second", "first"]);
	const { body } = await door("GET", `${stack}/updates`);
	assert.deepEqual(
		listIn(body.updates).map(({ result }) => result),
		["succeeded", "failed"],
	);
});

test("an operator may start once the operation has lost its update, and not before", async () => {
	const { run, stack } = await given("operator");
	await assert.rejects(beginUpdate(door, stack), /409/);
	await run.takeOver();
	await beginUpdate(door, stack);
});

test("a worker's run does not push an operator's update aside", async () => {
	const { run, stack, update } = await given("aside");
	await complete(update);
	const operators = await beginUpdate(door, stack);
	await assert.rejects(beginUpdate(door, stack, run), /409/);
	await complete(operators);
	await beginUpdate(door, stack, run);
});

test("the owner's notice ends what its CLI left behind, at once", async () => {
	const { run, stack, update } = await given("notice");
	await send(update, 1, "kept");
	assert.equal(await world.backend.endUpdate(run.lease), 1);
	assert.equal(await world.backend.endUpdate(run.lease), 0);
	assert.equal((await send(update, 3, "late")).status, 403);
	assert.deepEqual(await namesIn(door, stack), ["kept"]);
	const { body } = await door("GET", `${stack}/updates/latest`);
	assert.equal(body.info?.result, "failed");
	// The same worker may go on under the same fence.
	await beginUpdate(door, stack, run);
});

test("the notice of an owner that lost its lease does not end its successor's update", async () => {
	const { run, stack } = await given("successor");
	const next = await run.takeOver();
	const second = await beginUpdate(door, stack, next);
	assert.equal(await world.backend.endUpdate(run.lease), 0);
	assert.equal((await send(second, 1, "a")).status, 204);
});

test("a worker's previews are ended by its notice too", async () => {
	const { run, stack } = await given("previews");
	const preview = await beginUpdate(door, stack, {
		kind: "preview",
		token: run.token,
	});
	assert.equal(await world.backend.endUpdate(run.lease), 2);
	assert.equal((await complete(preview)).status, 403);
});

test("an update whose operation is another's is ended by the timer", async () => {
	const { run, stack, update } = await given("timer");
	await send(update, 1, "kept");
	await run.takeOver();
	await world.open({ sweepMs: 20 });
	await until("the stack is free", async () => {
		const { body } = await door("GET", stack);
		return String(body.activeUpdate) === "";
	});
	assert.deepEqual(await namesIn(door, stack), ["kept"]);
});

test("of a batch and a claim at the same moment, what is acknowledged is in the next owner's state", async () => {
	for (let round = 0; round < 5; round++) {
		const { run, stack, update } = await given(`race-${round}`);
		const batches = Array.from({ length: 10 }, (_, index) =>
			send(update, index * 2 + 1, `r${index}`),
		);
		const next = await run.takeOver();
		const answers = await Promise.all(batches);
		await beginUpdate(door, stack, next);
		const kept = answers.flatMap(({ status }, index) =>
			status === 204 ? [`r${index}`] : [],
		);
		assert.deepEqual((await namesIn(door, stack)).sort(), kept.sort());
	}
});

test("creates that were in flight are forgotten by the next run of a worker, and told to an operator", async () => {
	const { run, stack, update } = await given("pending");
	await sendEntries(door, update, created(1, 1, "half").slice(0, 1));
	await world.backend.endUpdate(run.lease);
	const pending = async () => {
		const { body } = await door("GET", `${stack}/export`);
		return listIn(body.deployment?.pending_operations).length;
	};
	assert.equal(await pending(), 1);
	const operators = await beginUpdate(door, stack);
	assert.equal(await pending(), 1);
	await complete(operators);
	const next = await beginUpdate(door, stack, run);
	assert.equal(await pending(), 0);
	await complete(next);
	assert.equal(await pending(), 0);
});

test("a create that was in flight is forgotten once its resource is there", async () => {
	const { run, stack, update } = await given("settled");
	await sendEntries(door, update, created(1, 1, "half").slice(0, 1));
	await world.backend.endUpdate(run.lease);
	const operators = await beginUpdate(door, stack);
	await send(operators, 1, "half");
	await complete(operators);
	const { body } = await door("GET", `${stack}/export`);
	assert.equal(body.deployment?.pending_operations, undefined);
	assert.equal(listIn(body.deployment?.resources).length, 1);
});
