// Sleeping and waking, by order and on a schedule, through the door.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
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

const call = (method: string, path: string, body?: unknown) =>
	door.sendRaw(method, `/v1/environments${path}`, {
		token: door.operator.token,
		...(body === undefined ? {} : { body }),
	});
const nights = {
	timeZone: "Europe/Berlin",
	asleep: [
		{ from: "20:00", to: "07:00" },
		{ from: "00:00", to: "24:00", days: ["sat", "sun"] },
	],
};

test("a hibernate answers 202 with its operation, and the environment tells that it will sleep", async () => {
	const { id } = await givenReadyEnvironment(door);
	const answer = await call("POST", `/${id}:hibernate`);
	assert.equal(answer.status, 202);
	assert.equal(
		answer.headers.get("operation-location"),
		`/v1/operations/${answer.body.id}`,
	);
	const { body } = await call("GET", `/${id}`);
	assert.deepEqual(
		[body.lifecycle, body.power, body.desiredRevision],
		["hibernating", "hibernated", 2],
	);
});

test("a wake of what does not sleep answers 200, and that there is nothing to do", async () => {
	const { id } = await givenReadyEnvironment(door);
	const answer = await call("POST", `/${id}:wake`);
	assert.equal(answer.status, 200);
	assert.deepEqual(answer.body, {
		nothingToDo: "It does not hibernate.",
		environment: id,
		revision: 1,
		activeOperation: null,
	});
	assert.equal(answer.headers.get("operation-location"), null);
});

test("a schedule is ordered with the environment, which tells its next transition", async () => {
	const order = await call("POST", "", { name: "sleepy", schedule: nights });
	assert.equal(order.status, 202, order.text);
	const { body } = await call("GET", "/sleepy");
	assert.deepEqual(body.schedule, nights);
	const next = body.nextTransition as { at: string; to: string };
	assert.ok(Date.parse(next.at) > Date.now());
	assert.match(next.to, /^(on|hibernated)$/);
});

test("a schedule is set, replaced and taken away without an operation; what is not sent stays", async () => {
	const { id } = await givenReadyEnvironment(door);
	const set = await call("PATCH", `/${id}`, { schedule: nights });
	assert.equal(set.status, 200, set.text);
	assert.deepEqual(set.body.schedule, nights);
	const described = await call("PATCH", `/${id}`, { description: "x" });
	assert.deepEqual(described.body.schedule, nights);
	assert.deepEqual(described.body.nextTransition, set.body.nextTransition);
	const other = { timeZone: "America/New_York", asleep: [nights.asleep[0]] };
	const replaced = await call("PATCH", `/${id}`, { schedule: other });
	assert.deepEqual(replaced.body.schedule, other);
	const taken = await call("PATCH", `/${id}`, { schedule: null });
	assert.deepEqual(
		[
			taken.body.schedule,
			taken.body.nextTransition,
			taken.body.activeOperation,
		],
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
		const answer = await call("PATCH", `/${id}`, { schedule });
		assert.equal(answer.status, 400, answer.text);
		assert.deepEqual(readPointers(answer), [pointer]);
	}
	assert.equal((await call("GET", `/${id}`)).body.schedule, null);
});
