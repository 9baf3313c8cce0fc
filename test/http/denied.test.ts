import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Denial } from "../../src/http/denied.ts";
import { answered, refused } from "../support/answers.ts";
import { type Door, givenEnvironment, openDoor } from "./door.ts";

let door: Door;
const heard: Denial[] = [];
let isBroken = false;
before(async () => {
	door = await openDoor({
		onDenied: async (denial) => {
			if (isBroken) throw new Error("nobody listens");
			heard.push(denial);
		},
	});
});
after(() => door.close());

async function listen(work: () => Promise<unknown>) {
	heard.length = 0;
	await work();
	return heard.map(({ endpoint, actor, failure }) => ({
		endpoint: endpoint.name,
		token: actor?.token,
		code: failure.code,
	}));
}

test("a token that nobody has is told of", async () => {
	const told = await listen(() =>
		answered(door.as("garbage").listEnvironments()),
	);
	assert.deepEqual(told, [
		{ endpoint: "listEnvironments", token: undefined, code: "unauthenticated" },
	]);
});

test("a caller whose role is too low is told of by name", async () => {
	const { actor } = door.viewer;
	const told = await listen(() =>
		answered(door.viewer.client.createEnvironment({ body: { name: "x" } })),
	);
	assert.deepEqual(told, [
		{ endpoint: "createEnvironment", token: actor.token, code: "forbidden" },
	]);
});

test("what a handler forbids is told of as well", async () => {
	const { actor, client } = door.admin;
	const body = { name: "x", role: "platform-admin" } as const;
	const told = await listen(() => refused(client.createToken({ body })));
	assert.deepEqual(told, [
		{ endpoint: "createToken", token: actor.token, code: "forbidden" },
	]);
});

test("what is answered, and what is refused for other reasons, is not told of", async () => {
	const { client } = door.admin;
	await givenEnvironment(door, "there");
	const told = await listen(async () => {
		await client.findEnvironment({ id: "there" });
		await refused(client.findEnvironment({ id: "missing" }));
		await refused(client.listEnvironments({ pageSize: 1_000_000 }));
	});
	assert.deepEqual(told, []);
});

test("a refusal is sent even when it cannot be told of, and the log says so", async () => {
	isBroken = true;
	const answer = await refused(door.as().listEnvironments());
	assert.equal(answer.status, 401);
	assert.ok(
		door.log.some(
			({ message }) => message === "a denied attempt was not noted",
		),
	);
});
