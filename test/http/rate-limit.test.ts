import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { createTokenText } from "../../src/domain/token.ts";
import { type Answer, answered } from "../support/answers.ts";
import { givenActor } from "../support/given.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";
import { type Door, openDoor, openDoorBeside } from "./door.ts";

const rates = { token: 50, tenant: 80, failures: 10 };

let redis: TestRedis;
/** Two doors to each store of counts. */
let pairs: readonly (readonly [name: string, one: Door, two: Door])[];

before(async () => {
	redis = await startRedis();
	const open = async (name: string, countsUrl?: string) => {
		const options = { rates, ...(countsUrl !== undefined && { countsUrl }) };
		const one = await openDoor(options);
		return [name, one, await openDoorBeside(one, options)] as const;
	};
	pairs = [await open("PostgreSQL"), await open("Redis", redis.url)];
});

after(async () => {
	for (const [, one, two] of pairs) {
		await two.close();
		await one.close();
	}
	await redis.stop();
});

async function givenTokens({ db }: Door, tenant: string, count: number) {
	const tokens: string[] = [];
	while (tokens.length < count)
		tokens.push((await givenActor(db, tenant, "viewer")).token);
	return tokens;
}

const ask = (door: Door, token?: string): Promise<Answer> =>
	answered(door.as(token).listEnvironments());

/** Asks both doors in turn, all at once. */
const askBoth = (
	[one, two]: readonly [Door, Door],
	tokens: readonly string[],
): Promise<Answer[]> =>
	Promise.all(
		tokens.map((token, index) => ask(index % 2 === 0 ? one : two, token)),
	);

const repeat = <T>(values: readonly T[], times: number): T[] =>
	Array.from({ length: times }, () => values).flat();

const countStatus = (answers: readonly Answer[], status: number): number =>
	answers.filter((answer) => answer.status === status).length;

test("a token's limit holds over two doors, and for nobody else", async () => {
	for (const [store, one, two] of pairs) {
		const [token = "", other = ""] = await givenTokens(one, "busy", 2);
		const answers = await askBoth([one, two], repeat([token], 70));
		const passed = countStatus(answers, 200);
		assert.equal(passed + countStatus(answers, 429), 70, store);
		assert.ok(passed <= 50, `${store}: ${passed} of 50 passed`);
		// What one door holds and the other asks for is lost, but never more than a tenth.
		assert.ok(passed >= 45, `${store}: only ${passed} of 50 passed`);
		const [neighbour] = await askBoth([one, two], [other]);
		assert.equal(neighbour?.status, 200, store);
	}
});

test("50 parallel requests of one who has 10 left never exceed them", async () => {
	for (const [store, one, two] of pairs) {
		const [token = ""] = await givenTokens(one, "nearly", 1);
		const before = await askBoth([one, two], repeat([token], 40));
		const answers = await askBoth([one, two], repeat([token], 50));
		const passed = countStatus([...before, ...answers], 200);
		assert.ok(passed <= 50, `${store}: ${passed} of 50 passed`);
	}
});

test("a tenant's limit is that of all its tokens", async () => {
	for (const [store, one, two] of pairs) {
		const tokens = await givenTokens(one, "large", 4);
		const answers = await askBoth([one, two], repeat(tokens, 25));
		const passed = countStatus(answers, 200);
		assert.ok(passed <= 80, `${store}: ${passed} of 80 passed`);
		assert.ok(passed >= 70, `${store}: only ${passed} of 80 passed`);
	}
});

test("what a token asks beyond its own limit is not taken from the others of its tenant", async () => {
	for (const [store, one, two] of pairs) {
		const [endless = "", other = ""] = await givenTokens(one, "shared", 2);
		const flood = await askBoth([one, two], repeat([endless], 150));
		assert.ok(countStatus(flood, 429) >= 100, store);
		const answers = await askBoth([one, two], repeat([other], 10));
		assert.equal(countStatus(answers, 200), 10, store);
	}
});

test("answers say what is left and, once nothing is, when to come again", async () => {
	const [, one] = pairs[0] ?? assert.fail();
	const [token = ""] = await givenTokens(one, "polite", 1);
	const first = await ask(one, token);
	assert.equal(
		first.headers.get("ratelimit-policy"),
		'"token";q=50;w=60, "tenant";q=80;w=60',
	);
	const fields = first.headers.get("ratelimit") ?? "";
	assert.match(fields, /^"token";r=49;t=\d+, "tenant";r=79;t=\d+$/);

	await Promise.all(repeat([token], 60).map((mine) => ask(one, mine)));
	const refused = await ask(one, token);
	assert.equal(refused.status, 429);
	assert.equal(refused.body.code, "rate_limited");
	assert.equal(refused.body.retryable, true);
	assert.match(refused.headers.get("ratelimit") ?? "", /^"token";r=0;t=\d+$/);
	const seconds = Number(refused.headers.get("retry-after"));
	assert.ok(seconds > 0 && seconds <= 60, `Retry-After is ${seconds}`);
	assert.match(String(refused.body.advice), new RegExp(`Wait ${seconds} `));
});

test("a burst of wrong tokens is stopped, and a token that works goes on from the same address", async () => {
	for (const [store, one, two] of pairs) {
		const [known = "", fresh = ""] = await givenTokens(one, "calm", 2);
		const before = await ask(one, known);
		assert.equal(before.status, 200, store);
		const wrong = Array.from({ length: 50 }, createTokenText);
		const answers = await askBoth([one, two], wrong);
		const tried = countStatus(answers, 401);
		assert.equal(tried + countStatus(answers, 429), 50, store);
		assert.ok(tried <= 10, `${store}: ${tried} of 10 were tried`);
		assert.ok(tried >= 8, `${store}: only ${tried} of 10 were tried`);

		const goesOn = await ask(one, known);
		assert.equal(goesOn.status, 200, store);
		// Nobody has seen it yet, so it cannot be told from a guess.
		const unknown = await ask(one, fresh);
		assert.equal(unknown.status, 429, store);
		assert.match(
			unknown.headers.get("ratelimit-policy") ?? "",
			/^"failures";q=10;w=60$/,
		);
		const nothing = await ask(one);
		assert.equal(nothing.status, 401, store);
	}
});
