// `:refresh` and `onDrift` through the door.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import {
	type Door,
	givenEnvironment,
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
	door.sendRaw(method, path, {
		token: door.operator.token,
		...(body === undefined ? {} : { body }),
	});

test("a look is ordered by an empty body, and moves nothing", async () => {
	const { id } = await givenReadyEnvironment(door, "looked-at");
	const answer = await call("POST", "/v1/environments/looked-at:refresh", {});
	assert.equal(answer.status, 202, answer.text);
	assert.deepEqual(
		[answer.body.kind, answer.body.revision, answer.body.options],
		["refresh", { from: 1, to: 1 }, { repair: false }],
	);
	const { body } = await call("GET", `/v1/environments/${id}`);
	assert.deepEqual(
		[body.lifecycle, body.activeOperation],
		["ready", answer.body.id],
	);
});

test("what is not ready cannot be compared, and is told why", async () => {
	await givenEnvironment(door, "young");
	const answer = await call("POST", "/v1/environments/young:refresh", {});
	assert.equal(answer.status, 409);
	assert.match(String(answer.body.detail), /being created/);
});

test("a wish that does not exist is refused at its place", async () => {
	await givenReadyEnvironment(door, "wrong");
	const answer = await call("POST", "/v1/environments/wrong:refresh", {
		repair: "yes",
	});
	assert.equal(answer.status, 400);
	assert.deepEqual(readPointers(answer), ["/repair"]);
});

test("what drift leads to is said in the order, and changed without an operation", async () => {
	const order = { name: "drifting", onDrift: "repair" };
	assert.equal((await call("POST", "/v1/environments", order)).status, 202);
	const path = "/v1/environments/drifting";
	assert.equal((await call("GET", path)).body.onDrift, "repair");
	const changed = await call("PATCH", path, { onDrift: "report" });
	assert.equal(changed.status, 200, changed.text);
	assert.equal(changed.body.onDrift, "report");
	const wrong = await call("PATCH", path, { onDrift: "ignore" });
	assert.deepEqual(readPointers(wrong), ["/onDrift"]);
});
