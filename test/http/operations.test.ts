import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { answered } from "../support/answers.ts";
import { type Door, endOperation, givenEnvironment, openDoor } from "./door.ts";

let door: Door;
before(async () => {
	door = await openDoor();
});
after(() => door.close());

const cancel = (id: string) =>
	answered(door.operator.client.cancelOperation({ id }));
const retry = (id: string) =>
	answered(door.operator.client.retryOperation({ id }));

test("a queued operation is cancelled by the answer, which is the operation, and asking again changes nothing", async () => {
	const { environment, operation } = await givenEnvironment(door);
	const first = await cancel(operation.id);
	assert.equal(first.status, 202, first.text);
	assert.equal(first.headers.get("location"), `/v1/operations/${operation.id}`);
	const { state, cancellation, exists, retryOf } = first.body;
	assert.deepEqual([state, exists, retryOf], ["cancelled", [], null]);
	const { requestedBy, forced } = cancellation as Record<string, unknown>;
	assert.deepEqual([requestedBy, forced], ["acme operator", false]);
	const again = await cancel(operation.id);
	assert.equal(again.status, 202);
	assert.deepEqual(again.body, first.body);
	const body = await door.viewer.client.findEnvironment({ id: environment.id });
	assert.deepEqual([body.lifecycle, body.activeOperation], ["failed", null]);
});

test("cancelling what has ended is a conflict that names its state and leaves it alone", async () => {
	const { operation } = await givenEnvironment(door);
	await endOperation(door.db, operation.id);
	const answer = await cancel(operation.id);
	assert.equal(answer.status, 409);
	assert.equal(answer.body.code, "conflict");
	assert.match(answer.text, /it is succeeded/);
});

test("a retry is a new operation that says of what; asked twice it is the same", async () => {
	const { operation } = await givenEnvironment(door);
	const refused = await retry(operation.id);
	assert.equal(refused.status, 409);
	assert.match(refused.text, /is queued/);
	await cancel(operation.id);
	const retried = await retry(operation.id);
	assert.equal(retried.status, 202, retried.text);
	assert.notEqual(retried.body.id, operation.id);
	assert.equal(retried.body.retryOf, operation.id);
	assert.equal(
		retried.headers.get("location"),
		`/v1/operations/${retried.body.id}`,
	);
	const again = await retry(operation.id);
	assert.equal(again.body.id, retried.body.id);
});

test("a verb that does not exist is not taken for a part of an id", async () => {
	const { operation } = await givenEnvironment(door);
	const path = `/v1/operations/${operation.id}:explode`;
	const { token } = door.operator;
	const answer = await door.sendRaw("POST", path, { token });
	assert.equal(answer.status, 404);
	assert.equal(answer.body.detail, `There is nothing at ${path}.`);
	const body = await door.viewer.client.findOperation({ id: operation.id });
	assert.equal(body.state, "queued");
});
