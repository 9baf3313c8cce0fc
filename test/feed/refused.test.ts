// What happens to events that a receiver does not take.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { sql } from "kysely";
import { retrySeconds } from "../../src/domain/webhook.ts";
import {
	type Receiver,
	readNumbers,
	startReceiver,
} from "../support/receiver.ts";
import { until } from "../support/until.ts";
import { countFrom, type HookHouse, openHookHouse } from "./hooks.ts";

let house: HookHouse;
let receiver: Receiver;
before(async () => {
	house = await openHookHouse();
});
after(() => house.close());

/** Somebody who listens to one environment alone, and someone who delivers. */
async function givenListener(
	t: { after(work: () => Promise<void>): void },
	timeoutMs = 20_000,
) {
	receiver = await startReceiver();
	const environment = await house.givenEnvironment();
	const { id, secret } = await house.givenWebhook({ url: receiver.url });
	const deliverer = house.deliver({ poster: { timeoutMs } });
	const { receiver: mine } = { receiver };
	t.after(async () => {
		await deliverer.close();
		await mine.close();
		await house.database.db
			.updateTable("webhooks")
			.set({ deleted_at: new Date() })
			.execute();
	});
	return { environment, id, secret };
}

const listPauses = async (webhook: string): Promise<number[]> => {
	const { rows } = await sql<{ seconds: number }>`
		select extract(epoch from due_at - now())::float8 as seconds from webhook_lanes
		where webhook_id = ${webhook} and due_at is not null order by environment_id`.execute(
		house.database.db,
	);
	return rows.map(({ seconds }) => seconds);
};

test("the events behind one that fails wait for it, and those of other environments go on", async (t) => {
	const { environment, id } = await givenListener(t);
	const other = await house.givenEnvironment();
	await until("its order is told", () => receiver.received.length === 1);
	await house.rest(id);
	receiver.received.length = 0;
	let failures = 3;
	receiver.answer(({ body }) =>
		JSON.parse(body).environment === environment && failures-- > 0
			? { status: 500, body: "no" }
			: { status: 200 },
	);
	await house.writeNotes(environment, [1, 2, 3]);
	await until("it failed", () => receiver.received.length === 1);
	await house.rest(id);
	await house.writeNotes(other, [11, 12]);
	await until("the other goes on", () => receiver.received.length === 3);
	assert.deepEqual(readNumbers(receiver.received), [1, 11, 12]);
	const pending = (await house.listDeliveries(id)).find(
		({ state }) => state === "pending",
	);
	assert.equal(pending?.environment_id, environment);
	assert.deepEqual(
		[pending?.attempts, pending?.response_status, pending?.excerpt],
		[1, 500, "no"],
	);
	assert.ok(pending?.next_attempt_at);

	for (const count of [4, 5, 8]) {
		await house.rest(id);
		await house.endPauses();
		await until("it was tried again", () => receiver.received.length === count);
	}
	assert.deepEqual(readNumbers(receiver.received), [1, 11, 12, 1, 1, 1, 2, 3]);
	const messages = receiver.received
		.filter(({ body }) => JSON.parse(body).data.message === "1")
		.map(({ headers }) => headers["webhook-id"]);
	assert.equal(new Set(messages).size, 1);
	await house.rest(id);
	const rows = await house.listDeliveries(id);
	assert.ok(rows.every(({ state }) => state === "delivered"));
	assert.equal(rows.find((row) => row.id === pending.id)?.attempts, 4);
});

test("an event that is taken at no attempt is given up, after pauses of days, and the webhook is disabled", async (t) => {
	const { environment, id } = await givenListener(t);
	receiver.answer(() => ({ status: 503 }));
	await house.writeNotes(environment, [1]);
	for (const [index, seconds] of retrySeconds.entries()) {
		await until("it was tried", () => receiver.received.length === index + 1);
		await house.rest(id);
		const [pause = 0] = await listPauses(id);
		assert.ok(pause > seconds - 5, `${pause} s after attempt ${index + 1}`);
		assert.ok(pause <= seconds * 1.2, `${pause} s after attempt ${index + 1}`);
		await house.endPauses();
	}
	const event = await until("it is told", async () =>
		(await house.listEvents(environment)).find(
			({ type }) => type === "webhook.disabled",
		),
	);
	assert.deepEqual(event.data, {
		webhook: id,
		reason: "exhausted",
		message: "The receiver took an event at none of 10 attempts.",
	});
	const [row] = await house.listDeliveries(id);
	assert.deepEqual([row?.state, row?.attempts], ["failed", 10]);
	const sent = receiver.received.length;
	await house.endPauses();
	// Somebody else's event, to see that all that was due was looked at.
	const witness = await startReceiver();
	t.after(() => witness.close());
	await house.givenWebhook({ url: witness.url });
	await house.writeNotes(environment, [2]);
	await until("the witness has it", () => witness.received.length === 1);
	assert.equal(receiver.received.length, sent);
});

test("a receiver that answers 410 is told nothing more, and the event waits", async (t) => {
	const { environment, id } = await givenListener(t);
	receiver.answer(() => ({ status: 410 }));
	await house.writeNotes(environment, [1]);
	const event = await until("it is told", async () =>
		(await house.listEvents(environment)).find(
			({ type }) => type === "webhook.disabled",
		),
	);
	assert.equal("reason" in event.data && event.data.reason, "gone");
	assert.equal(receiver.received.length, 1);

	receiver.answer(() => ({ status: 200 }));
	await house.database.db
		.updateTable("webhooks")
		.set({ is_active: true })
		.where("id", "=", id)
		.execute();
	await house.writeNotes(environment, [2]);
	await until("all of it is here", () => receiver.received.length === 4);
	assert.deepEqual(
		receiver.received.map(({ body }) =>
			JSON.parse(body).type.split(".").at(-1),
		),
		["warned", "warned", "disabled", "warned"],
	);
});

test("a receiver that took nothing for three days is told nothing more, whatever fails next", async (t) => {
	const { environment, id } = await givenListener(t);
	receiver.answer(() => ({ status: 500 }));
	await house.writeNotes(environment, [1]);
	await until("it was tried", () => receiver.received.length === 1);
	await house.rest(id);
	await sql`update webhooks set failing_since = now() - interval '73 hours' where id = ${id}`.execute(
		house.database.db,
	);
	const other = await house.givenEnvironment();
	const event = await until("it is told", async () =>
		(await house.listEvents(other)).find(
			({ type }) => type === "webhook.disabled",
		),
	);
	assert.equal("reason" in event.data && event.data.reason, "failing");
});

test("one success ends the time of failing", async (t) => {
	const { environment, id } = await givenListener(t);
	const readFailing = async () =>
		(
			await house.database.db
				.selectFrom("webhooks")
				.select("failing_since")
				.where("id", "=", id)
				.executeTakeFirstOrThrow()
		).failing_since;
	receiver.answer(() => ({ status: 404 }));
	await house.writeNotes(environment, [1]);
	await until("it fails", readFailing);
	receiver.answer(() => ({ status: 200 }));
	await house.endPauses();
	await until("it does not", async () => (await readFailing()) === null);
});

test("an attempt ends when its time is over", async (t) => {
	const { environment, id } = await givenListener(t, 200);
	receiver.answer(() => ({ status: 200, hangs: true }));
	await house.writeNotes(environment, [1]);
	const row = await until("it is over", async () =>
		(await house.listDeliveries(id)).at(0),
	);
	assert.equal(row.state, "pending");
	assert.equal(row.error, "There was no answer within 0.2 seconds.");
	assert.equal(row.response_status, null);
	assert.ok((row.duration_ms ?? 0) >= 200);
});

test("a receiver may ask for a longer pause, up to a day", async (t) => {
	const { environment, id } = await givenListener(t);
	for (const [index, [asked, from, to]] of (
		[
			["120", 100, 120],
			["9999999", 86_000, 86_400],
			["1", 1_795, 2_160],
			[new Date(Date.now() + 8 * 3_600_000).toUTCString(), 28_000, 28_900],
		] as const
	).entries()) {
		receiver.answer(() => ({ status: 429, headers: { "retry-after": asked } }));
		if (index === 0) await house.writeNotes(environment, [1]);
		else await house.endPauses();
		await until("it was tried", () => receiver.received.length === index + 1);
		await house.rest(id);
		const [pause = 0] = await listPauses(id);
		assert.ok(pause >= from && pause <= to, `${asked}: ${pause}`);
	}
});

test("what is kept of an answer is short and holds no secret", async (t) => {
	const { environment, id, secret } = await givenListener(t);
	receiver.answer(({ headers }) => ({
		status: 500,
		body: `bad\u0000 signature ${headers["webhook-signature"]} for ${secret}, token=abc Authorization: Bearer xyz ${"long ".repeat(500)}`,
	}));
	await house.writeNotes(environment, [1]);
	const row = await until("it is kept", async () =>
		(await house.listDeliveries(id)).at(0),
	);
	const excerpt = row.excerpt ?? "";
	assert.match(excerpt, /^bad signature v1,\[masked\]/);
	assert.ok(excerpt.length <= 200);
	for (const hidden of [secret, secret.slice(6), "abc", "xyz"])
		assert.ok(!excerpt.includes(hidden), excerpt);
});

test("a deliverer that is closed finishes what is under way and begins nothing", async (t) => {
	receiver = await startReceiver();
	const mine = receiver;
	t.after(() => mine.close());
	const environment = await house.givenEnvironment();
	const { id } = await house.givenWebhook({ url: receiver.url });
	const gate = Promise.withResolvers<void>();
	receiver.answer(async () => {
		await gate.promise;
		return { status: 200 };
	});
	const deliverer = house.deliver();
	await house.writeNotes(environment, countFrom(1, 5));
	await until("the first is under way", () => receiver.received.length === 1);
	const closed = deliverer.close();
	gate.resolve();
	await closed;
	assert.equal(receiver.received.length, 1);
	const [row] = await house.listDeliveries(id);
	assert.equal(row?.state, "delivered");
	const next = house.deliver();
	t.after(() => next.close());
	await until(
		"the next one goes on at once",
		() => receiver.received.length === 5,
	);
	assert.deepEqual(readNumbers(receiver.received), countFrom(1, 5));
});
