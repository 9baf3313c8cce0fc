// A request with a key is carried out once, however often it comes.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, test } from "node:test";
import type { Asked, Declared } from "../../client/declared.ts";
import { hashToken } from "../../src/domain/token.ts";
import { makeAnswers } from "../../src/operations/answer-once.ts";
import { sweep } from "../../src/operations/sweep.ts";
import { findActor } from "../../src/store/tokens.ts";
import { type Answer, answered } from "../support/answers.ts";
import { askAny } from "../support/ask-by-path.ts";
import { givenActor, silentLog } from "../support/given.ts";
import {
	type Door,
	givenEnvironment,
	givenReadyEnvironment,
	openDoor,
	openDoorBeside,
	type Person,
	readPointers,
} from "./door.ts";
import { composeExample, givenExamples, guarded } from "./examples.ts";

let door: Door;
before(async () => {
	door = await openDoor();
});
after(() => door.close());

const order = (
	idempotencyKey: string,
	body: Asked<Declared["createEnvironment"]>["body"],
	{ client }: Person = door.operator,
): Promise<Answer> =>
	answered(client.createEnvironment({ body }, { idempotencyKey }));

const told = ({ status, headers, body }: Answer) => ({
	status,
	body,
	length: headers.get("content-length"),
	location: headers.get("location"),
	operation: headers.get("operation-location"),
	retry: headers.get("retry-after"),
	type: headers.get("content-type"),
});

const isReplayed = ({ headers }: Answer) =>
	headers.get("idempotency-replayed") === "true";

async function count(name: string): Promise<number> {
	const rows = await door.db
		.selectFrom("environments")
		.select("id")
		.where("name", "=", name)
		.execute();
	return rows.length;
}

test("100 identical orders with one key at once, at two processes, are one environment and one operation", async (t) => {
	const beside = await openDoorBeside(door);
	t.after(() => beside.close());
	const key = randomUUID();
	const answers = await Promise.all(
		Array.from({ length: 100 }, (_, i) =>
			order(
				key,
				{ name: "once", size: "small" },
				(i % 2 ? beside : door).operator,
			),
		),
	);
	const [first] = answers.filter((answer) => !isReplayed(answer));
	assert.ok(first);
	assert.equal(first.status, 202, first.text);
	for (const answer of answers) assert.deepEqual(told(answer), told(first));
	assert.equal(answers.filter(isReplayed).length, 99);
	assert.equal(await count("once"), 1);
	assert.deepEqual(
		door.installation.sent.filter((id) => id === first.body.id),
		[first.body.id],
	);
});

test("a repeat is answered word for word, however its JSON and its key are written", async () => {
	const key = randomUUID();
	const headers = { "content-type": "application/json" };
	const send = (raw: string, written: string) =>
		door.sendRaw("POST", "/v1/environments", {
			token: door.operator.token,
			raw,
			headers: { ...headers, "idempotency-key": written },
		});
	const first = await send('{"name":"words","size":"small"}', `"${key}"`);
	assert.equal(first.status, 202, first.text);
	assert.equal(isReplayed(first), false);
	const again = await send('{ "size": "small",\n "name": "words" }', key);
	assert.equal(isReplayed(again), true);
	assert.equal(again.text, first.text);
	assert.equal(told(first).length, String(Buffer.byteLength(first.text)));
	assert.deepEqual(told(again), told(first));
});

test("the same key with another body is refused, and changes nothing", async () => {
	const key = randomUUID();
	const first = await order(key, { name: "mine" });
	assert.equal(first.status, 202);
	const other = await order(key, { name: "other" });
	assert.equal(other.status, 422);
	assert.equal(other.body.code, "idempotency_key_reused");
	assert.deepEqual(readPointers(other), ["/header/idempotency-key"]);
	assert.equal(await count("other"), 0);
});

test("the same key for another thing, or another query, is refused", async () => {
	const idempotencyKey = randomUUID();
	const [one, two] = [
		(await givenEnvironment(door)).environment.id,
		(await givenEnvironment(door)).environment.id,
	];
	const destroy = (asked: Asked<Declared["destroyEnvironment"]>) =>
		answered(
			door.operator.client.destroyEnvironment(asked, { idempotencyKey }),
		);
	assert.equal((await destroy({ id: one })).status, 202);
	assert.equal((await destroy({ id: two })).status, 422);
	assert.equal((await destroy({ id: one, keepBackups: true })).status, 422);
	assert.equal(isReplayed(await destroy({ id: one })), true);
});

test("another tenant, and another route, have the same key for themselves", async () => {
	const key = randomUUID();
	const body = { name: "shared" };
	const ours = await order(key, body);
	const theirs = await order(key, body, door.stranger);
	assert.equal(theirs.status, 202);
	assert.equal(isReplayed(theirs), false);
	assert.notEqual(theirs.body.id, ours.body.id);
	const cancelled = await answered(
		door.operator.client.cancelOperation(
			{ id: String(ours.body.id) },
			{ idempotencyKey: key },
		),
	);
	assert.equal(cancelled.status, 202, cancelled.text);
	assert.equal(isReplayed(cancelled), false);
	assert.equal(cancelled.body.state, "cancelled");
});

test("another caller of the tenant is not shown what the first one was answered", async () => {
	const key = randomUUID();
	const body = { name: "ours" };
	assert.equal((await order(key, body)).status, 202);
	const other = await order(key, body, door.admin);
	assert.equal(other.status, 422);
	assert.match(String(other.body.detail), /Another caller/);
});

test("what was refused is not kept: the key is free for the corrected request", async () => {
	const key = randomUUID();
	const wrong = await order(key, { name: "right", release: "0.0.1" });
	assert.equal(wrong.status, 400);
	assert.equal(await count("right"), 0);
	const right = await order(key, { name: "right" });
	assert.equal(right.status, 202, right.text);
	assert.equal(isReplayed(right), false);
	// It can be wrong about what is there already, too.
	const taken = await order(randomUUID(), { name: "right" });
	assert.equal(taken.status, 409);
	assert.equal(taken.body.code, "conflict");
});

test("100 refused orders with one key at once are each refused for what is wrong with them", async () => {
	const key = randomUUID();
	const body = { name: "nowhere", target: "atlantis" };
	const answers = await Promise.all(
		Array.from({ length: 100 }, () => order(key, body)),
	);
	for (const answer of answers) {
		assert.equal(answer.status, 400);
		assert.deepEqual(readPointers(answer), ["/target"]);
	}
});

test("a machine's order without a key is refused, a person's is not", async () => {
	const post = (token: string, name: string) =>
		fetch(`${door.url}/v1/environments`, {
			method: "POST",
			headers: {
				authorization: `Bearer ${token}`,
				"content-type": "application/json",
			},
			body: JSON.stringify({ name }),
		});
	const refused = await post(door.operator.token, "keyless");
	assert.equal(refused.status, 400);
	const problem = (await refused.json()) as { code: string };
	assert.equal(problem.code, "idempotency_key_missing");
	assert.equal(await count("keyless"), 0);
});

test("a key that cannot be one is refused before anything is done", async () => {
	for (const key of ['"', '""', '"a"b"', "a b", "a, b", "x".repeat(256)]) {
		// As it stands: the client puts what it is given into quotes.
		const answer = await door.sendRaw("POST", "/v1/environments", {
			token: door.operator.token,
			body: { name: "keyed" },
			headers: { "idempotency-key": key },
		});
		assert.equal(answer.status, 400, key);
		assert.deepEqual(readPointers(answer), ["/header/idempotency-key"]);
	}
	assert.equal(await count("keyed"), 0);
});

test("a token that was made is shown again to who repeats the request, and lies in no plain column", async () => {
	const idempotencyKey = randomUUID();
	const make = () =>
		answered(
			door.admin.client.createToken(
				{ body: { name: "lost on the way", role: "viewer" } },
				{ idempotencyKey },
			),
		);
	const first = await make();
	assert.equal(first.status, 201);
	const again = await make();
	assert.equal(isReplayed(again), true);
	assert.equal(again.text, first.text);
	assert.deepEqual(told(again), told(first));
	const text = String(first.body.token);
	assert.ok(await findActor(door.db, hashToken(text)));
	const kept = await door.db
		.selectFrom("idempotency_keys")
		.selectAll()
		.where("endpoint", "=", "createToken")
		.executeTakeFirstOrThrow();
	const lies = kept.answer?.toString("latin1") ?? "";
	assert.ok(lies.length > 0);
	assert.equal(lies.includes(text), false);
	assert.equal(lies.includes("lost on the way"), false);
});

test("an answer that has no body, and one of nothing to do, are repeated as well", async () => {
	const { id } = await givenReadyEnvironment(door);
	const options = { idempotencyKey: randomUUID() };
	const wake = () =>
		answered(door.operator.client.wakeEnvironment({ id }, options));
	const first = await wake();
	assert.equal(first.status, 200);
	assert.ok(first.body.nothingToDo);
	const again = await wake();
	assert.equal(isReplayed(again), true);
	assert.deepEqual(told(again), told(first));

	const spare = await givenActor(door.db, "acme", "viewer");
	const revoke = () =>
		answered(door.admin.client.revokeToken({ id: spare.actor.token }, options));
	assert.equal((await revoke()).status, 204);
	const gone = await revoke();
	assert.equal(gone.status, 204);
	assert.equal(isReplayed(gone), true);
	assert.equal(gone.text, "");
});

test("a request whose twin goes on for too long is told so, and its order is not doubled", async (t) => {
	const { actor } = door.operator;
	const request = {
		tenant: actor.tenant.id,
		endpoint: "createEnvironment",
		key: randomUUID(),
		caller: actor.token,
		content: { name: "slow" },
	};
	const inUse = { code: "idempotency_key_in_use", retryable: true };
	const mine = makeAnswers(door.installation, { waitMs: 20 });
	const others = makeAnswers(door.installation, { waitMs: 20 });
	const begun = Promise.withResolvers<void>();
	const end = Promise.withResolvers<void>();
	t.after(() => end.resolve());
	const slow = mine.answerOnce(request, async () => {
		begun.resolve();
		await end.promise;
		return { is: "done" };
	});
	await begun.promise;
	const never = () => assert.fail("it was done twice");
	await assert.rejects(mine.answerOnce(request, never), inUse);
	await assert.rejects(others.answerOnce(request, never), inUse);
	end.resolve();
	await slow;
	for (const answers of [mine, others]) {
		assert.deepEqual(await answers.answerOnce(request, never), {
			answer: { is: "done" },
			isReplayed: true,
		});
	}
});

test("a key is free again after 24 hours, and what was kept is thrown away", async () => {
	const key = randomUUID();
	const first = await order(key, { name: "old" });
	assert.equal(first.status, 202);
	const kept = door.db.selectFrom("idempotency_keys").where("key", "=", key);
	const { expires_at } = await kept
		.select("expires_at")
		.executeTakeFirstOrThrow();
	const ageMs = expires_at.getTime() - Date.parse(String(first.body.createdAt));
	assert.equal(Math.round(ageMs / 60_000), 24 * 60);

	const expire = () =>
		door.db
			.updateTable("idempotency_keys")
			.set({ expires_at: new Date(0) })
			.where("key", "=", key)
			.execute();
	await expire();
	const second = await order(key, { name: "new" });
	assert.equal(second.status, 202, second.text);
	assert.equal(isReplayed(second), false);
	assert.equal(isReplayed(await order(key, { name: "new" })), true);

	await expire();
	await sweep({ ...door.installation, log: silentLog });
	assert.deepEqual(await kept.selectAll().execute(), []);
});

test("every mutation can have a key, and is answered the same twice", async (t) => {
	const own = await openDoor();
	t.after(() => own.close());
	const examples = await givenExamples(own);
	const mutations = guarded.filter(({ endpoint }) => endpoint.method !== "GET");
	assert.ok(mutations.length > 20);
	for (const { endpoint, role } of mutations) {
		const { asked } = composeExample(examples, endpoint);
		const { client } =
			role === "platform-admin" ? own.platformAdmin : own[role];
		const options = { idempotencyKey: endpoint.name };
		const send = () => answered(askAny(client, endpoint, asked, options));
		const first = await send();
		assert.ok(first.status < 300, `${endpoint.name}: ${first.text}`);
		const again = await send();
		assert.equal(isReplayed(again), true, endpoint.name);
		assert.deepEqual(told(again), told(first));
		assert.equal(again.text, first.text);
	}
	assert.deepEqual(
		own.log.filter((line) => line.level !== "info"),
		[],
	);
});
