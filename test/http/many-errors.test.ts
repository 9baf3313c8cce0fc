import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type Door, openDoor, readPointers } from "./door.ts";

let door: Door;
before(async () => {
	door = await openDoor();
});
after(() => door.close());

test("a request that is wrong in thousands of places is told how many, and a hundred of them", async () => {
	const body = Object.fromEntries(
		Array.from({ length: 20_000 }, (_, index) => [`k${index}`, 1]),
	);
	const { token } = door.operator;
	const request = { token, body: { name: "qa-1", ...body } };
	const answer = await door.sendRaw("POST", "/v1/environments", request);
	assert.equal(answer.status, 400);
	assert.match(String(answer.body.detail), /^20000 places /);
	assert.equal(readPointers(answer).length, 100);
});
