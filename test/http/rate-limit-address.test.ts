import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { createTokenText } from "../../src/domain/token.ts";
import { answered } from "../support/answers.ts";
import { givenActor } from "../support/given.ts";
import { type Door, openDoor, openDoorBeside } from "./door.ts";

const rates = { failures: 3 };

let suspicious: Door;
let trusting: Door;

before(async () => {
	suspicious = await openDoor({ rates });
	trusting = await openDoorBeside(suspicious, {
		rates,
		trustedProxies: ["127.0.0.0/8"],
	});
});

after(async () => {
	await trusting.close();
	await suspicious.close();
});

const guess = async (door: Door, from: string) => {
	const guessing = door.as(createTokenText());
	const headers = { "x-forwarded-for": from };
	return (await answered(guessing.listEnvironments({}, { headers }))).status;
};

async function guessOften(door: Door, addresses: readonly string[]) {
	const statuses: number[] = [];
	for (const from of addresses) statuses.push(await guess(door, from));
	return statuses;
}

test("what a trusted proxy says of the client's address is believed", async () => {
	const statuses = await guessOften(trusting, [
		...Array.from({ length: 4 }, () => "192.0.2.1"),
		"192.0.2.2",
	]);
	assert.deepEqual(statuses, [401, 401, 401, 429, 401]);
});

test("only the last address that no trusted proxy has counts", async () => {
	const statuses = await guessOften(
		trusting,
		[1, 2, 3, 4].map((i) => `203.0.113.${i}, 198.51.100.7`),
	);
	assert.deepEqual(statuses, [401, 401, 401, 429]);
});

test("addresses of one network of IPv6 count as one", async () => {
	const statuses = await guessOften(
		trusting,
		[1, 2, 3, 4].map((i) => `2001:db8:1:2::${i}`),
	);
	assert.deepEqual(statuses, [401, 401, 401, 429]);
});

test("what anybody else says of an address is not believed", async () => {
	const statuses = await guessOften(
		suspicious,
		[1, 2, 3, 4].map((i) => `192.0.2.1${i}`),
	);
	assert.deepEqual(statuses, [401, 401, 401, 429]);
});

test("right tokens that come at once from a new address are all let in", async () => {
	const tokens = await Promise.all(
		Array.from(
			{ length: 20 },
			async () => (await givenActor(trusting.db, "acme", "viewer")).token,
		),
	);
	const headers = { "x-forwarded-for": "192.0.2.77" };
	const answers = await Promise.all(
		tokens.map((token) =>
			answered(trusting.as(token).listEnvironments({}, { headers })),
		),
	);
	assert.deepEqual(
		answers.map(({ status }) => status),
		answers.map(() => 200),
	);
});

test("a revoked token is refused at once, and is unknown again", async () => {
	const { client } = trusting.admin;
	const headers = { "x-forwarded-for": "192.0.2.78" };
	const { id, token } = await client.createToken(
		{ body: { name: "gone", role: "viewer" } },
		{ headers },
	);
	const own = trusting.as(token);
	const ask = async () =>
		(await answered(own.listEnvironments({}, { headers }))).status;
	assert.equal(await ask(), 200);
	await client.revokeToken({ id }, { headers });
	const statuses: number[] = [];
	for (let i = 0; i < 5; i++) statuses.push(await ask());
	// The first is nobody's guess: it was right a moment ago.
	assert.deepEqual(statuses, [401, 401, 401, 401, 429]);
});
