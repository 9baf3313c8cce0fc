import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { sql } from "kysely";
import type { Event, NewEvent } from "../../src/domain/event.ts";
import { follow } from "../../src/feed/follow.ts";
import { type Feed, openFeed } from "../../src/feed/listen.ts";
import { appendEvents, type EventSource } from "../../src/store/events.ts";
import { attempt } from "../support/attempt.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { makeScriptedWorld } from "../support/engine.ts";
import {
	givenActor,
	givenInstallation,
	givenOrder,
	type Installation,
} from "../support/given.ts";
import { until } from "../support/until.ts";

let database: TestDatabase;
let installation: Installation;
let feed: Feed;
let ordered = 0;
before(async () => {
	database = await createTestDatabase();
	installation = await givenInstallation(database.db);
	feed = openFeed({ url: database.url, db: database.db, onError: () => {} });
});
after(async () => {
	await feed.close();
	await database.close();
});

const givenQueued = async () =>
	givenOrder(
		installation,
		(await givenActor(database.db, "acme")).actor,
		`env-${ordered++}`,
	);

const note = (message: string): NewEvent => ({
	type: "engine.warned",
	data: { message },
});

function read(source: EventSource, after: number) {
	const controller = new AbortController();
	const events: Event[] = [];
	const done = (async () => {
		for await (const event of follow(feed, source, {
			after,
			signal: controller.signal,
		})) {
			events.push(event);
		}
	})();
	return { events, done, stop: () => controller.abort() };
}

const ids = (events: readonly Event[]) => events.map((event) => event.id);
const countTo = (n: number, from = 1) =>
	Array.from({ length: n - from + 1 }, (_, i) => from + i);

test("a reader gets what is there, then what comes, and the end of the operation ends the reading", async () => {
	const operation = await givenQueued();
	const reader = read(
		{ environment: operation.environment, operation: operation.id },
		0,
	);
	await until("the backlog is read", () => reader.events.length === 1);
	await attempt(installation, makeScriptedWorld(), operation.id);
	await reader.done;
	assert.equal(reader.events.at(-1)?.type, "operation.succeeded");
	assert.deepEqual(ids(reader.events), countTo(reader.events.length));
});

test("a reader that comes back behind its last event misses nothing and sees nothing twice", async () => {
	const { id, environment } = await givenQueued();
	const place = { environment, operation: id };
	const seen: number[] = [];
	const writing = (async () => {
		for (let i = 0; i < 60; i++) {
			await database.db
				.transaction()
				.execute((trx) => appendEvents(trx, place, [note(`${i}`)]));
		}
	})();
	while (seen.length < 61) {
		const reader = read(place, seen.at(-1) ?? 0);
		await until("something was read", () => reader.events.length > 0);
		reader.stop();
		await reader.done;
		seen.push(...ids(reader.events));
	}
	await writing;
	assert.deepEqual(seen, countTo(61));
});

test("events written at the same time by many are seen in the order of their ids, without gaps", async () => {
	const { id, environment } = await givenQueued();
	const place = { environment, operation: id };
	const reader = read({ environment }, 0);
	await Promise.all(
		Array.from({ length: 40 }, (_, i) =>
			database.db
				.transaction()
				.execute((trx) =>
					appendEvents(trx, place, [note(`a${i}`), note(`b${i}`)]),
				),
		),
	);
	await until("all are read", () => reader.events.length === 81);
	reader.stop();
	await reader.done;
	assert.deepEqual(ids(reader.events), countTo(81));
});

test("what a transaction took back was never seen, and leaves no gap", async () => {
	const { id, environment } = await givenQueued();
	const place = { environment, operation: id };
	const reader = read({ environment }, 0);
	await assert.rejects(
		database.db.transaction().execute(async (trx) => {
			await appendEvents(trx, place, [note("never")]);
			throw new Error("taken back");
		}),
	);
	await database.db
		.transaction()
		.execute((trx) => appendEvents(trx, place, [note("kept")]));
	await until("it is read", () => reader.events.length === 2);
	reader.stop();
	await reader.done;
	assert.deepEqual(ids(reader.events), [1, 2]);
	assert.doesNotMatch(JSON.stringify(reader.events), /never/);
});

test("a reader survives the loss of the feed's connection", async () => {
	const { id, environment } = await givenQueued();
	const place = { environment, operation: id };
	const reader = read({ environment }, 0);
	await until("the backlog is read", () => reader.events.length === 1);
	await sql`select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'impresario feed' and datname = current_database()`.execute(
		database.db,
	);
	await database.db
		.transaction()
		.execute((trx) => appendEvents(trx, place, [note("after the loss")]));
	await until("it is read", () => reader.events.length === 2);
	reader.stop();
	await reader.done;
});

test("an event whose notice was lost is found all the same", async () => {
	const { id, environment } = await givenQueued();
	const reader = read({ environment, operation: id }, 1);
	await sql`
		with raised as (
			update environments set last_event_id = 2 where id = ${environment} returning tenant_id, last_stamp
		)
		insert into events (environment_id, id, tenant_id, stamp, operation_id, type, data)
		select ${environment}, 2, tenant_id, last_stamp, ${id}, 'engine.warned', '{"message": "unheard"}'
		from raised`.execute(database.db);
	await until("it is found", () => reader.events.length === 1);
	reader.stop();
	await reader.done;
});
