// `:refresh` and `onDrift` through the door.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { refused } from "../support/answers.ts";
import { askByPath } from "../support/ask-by-path.ts";
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

const refresh = (id: string) =>
	door.operator.client.refreshEnvironment({ id, body: {} });
const find = (id: string) => door.operator.client.findEnvironment({ id });
/** What no type lets through. */
const askWrongly = (method: string, path: string, body: object) =>
	refused(askByPath(door.operator.client, [method, path, body]));

test("a look is ordered by an empty body, and moves nothing", async () => {
	const { id } = await givenReadyEnvironment(door, "looked-at");
	const { data, status } = await refresh("looked-at").withResponse();
	assert.equal(status, 202);
	assert.deepEqual(
		[data.kind, data.revision, data.options],
		["refresh", { from: 1, to: 1 }, { repair: false }],
	);
	const { lifecycle, activeOperation } = await find(id);
	assert.deepEqual([lifecycle, activeOperation], ["ready", data.id]);
});

test("what is not ready cannot be compared, and is told why", async () => {
	await givenEnvironment(door, "young");
	const answer = await refused(refresh("young"));
	assert.equal(answer.status, 409);
	assert.match(answer.message, /being created/);
});

test("a wish that does not exist is refused at its place", async () => {
	await givenReadyEnvironment(door, "wrong");
	const path = "/v1/environments/wrong:refresh";
	const answer = await askWrongly("POST", path, { repair: "yes" });
	assert.equal(answer.status, 400);
	assert.deepEqual(readPointers(answer), ["/repair"]);
});

test("what drift leads to is said in the order, and changed without an operation", async () => {
	const { client } = door.operator;
	await client.createEnvironment({
		body: { name: "drifting", onDrift: "repair" },
	});
	assert.equal((await find("drifting")).onDrift, "repair");
	const changed = await client.describeEnvironment({
		id: "drifting",
		body: { onDrift: "report" },
	});
	assert.equal(changed.onDrift, "report");
	const path = "/v1/environments/drifting";
	const wrong = await askWrongly("PATCH", path, { onDrift: "ignore" });
	assert.deepEqual(readPointers(wrong), ["/onDrift"]);
});
