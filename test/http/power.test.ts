// Sleeping and waking, by order and on a schedule, through the door.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Asked, Declared } from "../../client/declared.ts";
import type { Schedule } from "../../src/domain/schedule.ts";
import { refused } from "../support/answers.ts";
import { askByPath } from "../support/ask-by-path.ts";
import {
	type Door,
	givenReadyEnvironment,
	openDoor,
	readPointers,
} from "./door.ts";

let door: Door;
before(async () => {
	door = await openDoor();
});
after(() => door.close());

const find = (id: string) => door.operator.client.findEnvironment({ id });
type Change = Asked<Declared["describeEnvironment"]>["body"];
const change = (id: string, body: Change) =>
	door.operator.client.describeEnvironment({ id, body });
const nights: Schedule = {
	timeZone: "Europe/Berlin",
	asleep: [
		{ from: "20:00", to: "07:00" },
		{ from: "00:00", to: "24:00", days: ["sat", "sun"] },
	],
};

test("a hibernate answers 202 with its operation, and the environment tells that it will sleep", async () => {
	const { id } = await givenReadyEnvironment(door);
	const answer = await door.operator.client
		.hibernateEnvironment({ id })
		.withResponse();
	assert.equal(answer.status, 202);
	assert.ok("id" in answer.data);
	assert.equal(
		answer.headers.get("operation-location"),
		`/v1/operations/${answer.data.id}`,
	);
	const { lifecycle, power, desiredRevision } = await find(id);
	assert.deepEqual(
		[lifecycle, power, desiredRevision],
		["hibernating", "hibernated", 2],
	);
});

test("a wake of what does not sleep answers 200, and that there is nothing to do", async () => {
	const { id } = await givenReadyEnvironment(door);
	const answer = await door.operator.client
		.wakeEnvironment({ id })
		.withResponse();
	assert.equal(answer.status, 200);
	assert.deepEqual(answer.data, {
		nothingToDo: "It does not hibernate.",
		environment: id,
		revision: 1,
		activeOperation: null,
	});
	assert.equal(answer.headers.get("operation-location"), null);
});

test("a schedule is ordered with the environment, which tells its next transition", async () => {
	await door.operator.client.createEnvironment({
		body: { name: "sleepy", schedule: nights },
	});
	const { schedule, nextTransition: next } = await find("sleepy");
	assert.deepEqual(schedule, nights);
	assert.ok(next);
	assert.ok(Date.parse(next.at) > Date.now());
	assert.match(next.to, /^(on|hibernated)$/);
});

test("a schedule is set, replaced and taken away without an operation; what is not sent stays", async () => {
	const { id } = await givenReadyEnvironment(door);
	const set = await change(id, { schedule: nights });
	assert.deepEqual(set.schedule, nights);
	const described = await change(id, { description: "x" });
	assert.deepEqual(described.schedule, nights);
	assert.deepEqual(described.nextTransition, set.nextTransition);
	const asleep = nights.asleep.slice(0, 1);
	const other = { timeZone: "America/New_York", asleep };
	const replaced = await change(id, { schedule: other });
	assert.deepEqual(replaced.schedule, other);
	const taken = await change(id, { schedule: null });
	assert.deepEqual(
		[taken.schedule, taken.nextTransition, taken.activeOperation],
		[null, null, null],
	);
});

test("a schedule that cannot be followed is refused at its place", async () => {
	const { id } = await givenReadyEnvironment(door);
	for (const [schedule, pointer] of [
		[{ ...nights, timeZone: "Europe/Atlantis" }, "/schedule/timeZone"],
		[
			{ ...nights, asleep: [{ from: "25:00", to: "07:00" }] },
			"/schedule/asleep/0/from",
		],
		[
			{ ...nights, asleep: [{ from: "07:00", to: "07:00" }] },
			"/schedule/asleep/0",
		],
		[{ ...nights, cron: "* * * * *" }, "/schedule/cron"],
	] as const) {
		const path = `/v1/environments/${id}`;
		const answer = await refused(
			askByPath(door.operator.client, ["PATCH", path, { schedule }]),
		);
		assert.equal(answer.status, 400, answer.message);
		assert.deepEqual(readPointers(answer), [pointer]);
	}
	assert.equal((await find(id)).schedule, null);
});
