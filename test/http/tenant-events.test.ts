// The log of a tenant: all his environments in one order.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { sql } from "kysely";
import type { NewEvent } from "../../src/domain/event.ts";
import type { Operation } from "../../src/domain/operation.ts";
import { type Db, openDatabase } from "../../src/store/db.ts";
import { appendEvents } from "../../src/store/events.ts";
import { alignEventClock } from "../../src/store/tenant-events.ts";
import { refused } from "../support/answers.ts";
import { askByPath } from "../support/ask-by-path.ts";
import { until } from "../support/until.ts";
import { type Door, givenEnvironment, openDoor, type Person } from "./door.ts";
import { openStream } from "./stream-client.ts";

let door: Door;
before(async () => {
	door = await openDoor();
});
after(() => door.close());

const note = (message: string): NewEvent => ({
	type: "engine.warned",
	data: { message },
});

const write = (db: Db, { environment, id }: Operation, message: string) =>
	appendEvents(db, { environment, operation: id }, [note(message)]);

interface Told {
	readonly id: number;
	readonly environment: string;
	readonly cursor: string;
	readonly data: { readonly message?: string };
}

async function open(query = "", headers = {}, token = door.viewer.token) {
	const reader = await openStream(`${door.url}/v1/events${query}`, {
		authorization: `Bearer ${token}`,
		...headers,
	});
	return {
		...reader,
		told: () =>
			reader.messages.flatMap(({ data, event }) =>
				// What was written right before a stream began may be told in it.
				data === undefined || event === "operation.queued"
					? []
					: [JSON.parse(data) as Told],
			),
	};
}

async function list(query = "", token = door.viewer.token) {
	const page = await askByPath(door.as(token), ["GET", `/v1/events${query}`]);
	return page as { items: Told[]; nextPageToken: string | null };
}

test("a stream begins now, has what all environments write, and goes on behind any event", async () => {
	const [one, two] = [
		(await givenEnvironment(door)).operation,
		(await givenEnvironment(door)).operation,
	];
	const reader = await open();
	await until("it began", () => reader.messages.some(({ id }) => id));
	assert.deepEqual(reader.told(), []);
	await write(door.db, one, "a");
	await write(door.db, two, "b");
	await write(door.db, one, "c");
	await until("all are told", () => reader.told().length === 3);
	const told = reader.told();
	assert.deepEqual(
		told.map(({ environment, data }) => [environment, data.message]),
		[
			[one.environment, "a"],
			[two.environment, "b"],
			[one.environment, "c"],
		],
	);
	const ids = new Set(reader.messages.map(({ id }) => id));
	assert.ok(told.every(({ cursor }) => ids.has(cursor)));
	const again = await open("", { "last-event-id": told[0]?.cursor });
	await until("the others are told", () => again.told().length === 2);
	assert.deepEqual(again.told(), told.slice(1));
	reader.leave();
	again.leave();
});

test("a client that is cut off before the first event misses none", async () => {
	const { operation } = await givenEnvironment(door);
	const first = await open();
	await until("it began", () => first.messages.some(({ id }) => id));
	const began = first.messages.find(({ id }) => id);
	first.leave();
	await write(door.db, operation, "meanwhile");
	const second = await open("", { "last-event-id": began?.id });
	await until("it is told", () => second.told().length === 1);
	assert.equal(second.told()[0]?.data.message, "meanwhile");
	second.leave();
});

test("what is committed late is told in its place, and nothing behind it before", async (t) => {
	const [one, two] = [
		(await givenEnvironment(door)).operation,
		(await givenEnvironment(door)).operation,
	];
	const far = openDatabase({
		url: door.databaseUrl,
		maxConnections: 2,
		onError: () => {},
	});
	t.after(() => far.close());
	const reader = await open();
	await until("it began", () => reader.messages.some(({ id }) => id));
	const late = Promise.withResolvers<void>();
	const begun = Promise.withResolvers<void>();
	// Its number is older than that of what commits before it; and it writes to an environment that others wrote to.
	const slow = far.db.transaction().execute(async (trx) => {
		await sql`select pg_current_xact_id()`.execute(trx);
		begun.resolve();
		await late.promise;
		await write(trx, one, "late");
		await write(trx, two, "late too");
	});
	await begun.promise;
	await write(door.db, one, "early");
	const page = await list("?after=0&pageSize=200");
	assert.ok(!page.items.some(({ data }) => data.message === "early"));
	assert.deepEqual(reader.told(), []);
	late.resolve();
	await slow;
	await until("all are told", () => reader.told().length === 3);
	const own = ({ environment }: Operation) =>
		reader
			.told()
			.filter((event) => event.environment === environment)
			.map(({ id, data }) => [id, data.message]);
	assert.deepEqual(own(one), [
		[2, "early"],
		[3, "late"],
	]);
	assert.deepEqual(own(two), [[2, "late too"]]);
	reader.leave();
});

test("writers at once, whose transactions end in any order, are told completely and each environment in order", async () => {
	const operations = await Promise.all(
		Array.from(
			{ length: 4 },
			async () => (await givenEnvironment(door)).operation,
		),
	);
	const reader = await open();
	await until("it began", () => reader.messages.some(({ id }) => id));
	await Promise.all(
		Array.from({ length: 40 }, (_, i) =>
			door.db.transaction().execute(async (trx) => {
				const mine = operations[i % 4] ?? assert.fail();
				const other = operations[(i + 1) % 4] ?? assert.fail();
				// In one order, so that they do not wait for each other in a circle.
				const both = [mine, other].sort((a, b) =>
					a.environment < b.environment ? -1 : 1,
				);
				for (const one of both) await write(trx, one, String(i));
			}),
		),
	);
	await until("all are told", () => reader.told().length === 80);
	for (const { environment } of operations) {
		const ids = reader
			.told()
			.flatMap((event) =>
				event.environment === environment ? [event.id] : [],
			);
		assert.deepEqual(
			ids,
			Array.from({ length: 20 }, (_, i) => i + 2),
		);
	}
	reader.leave();
});

test("pages hold the whole log, oldest first, and end where it ends", async () => {
	const seen: Told[] = [];
	let token: string | null = null;
	do {
		const page: Awaited<ReturnType<typeof list>> = await list(
			`?pageSize=7${token === null ? "" : `&pageToken=${token}`}`,
		);
		seen.push(...page.items);
		token = page.nextPageToken;
	} while (token !== null);
	const { count } = await door.db
		.selectFrom("events")
		.innerJoin("tenants", "tenants.id", "events.tenant_id")
		.where("tenants.name", "=", "acme")
		.select((eb) => eb.fn.countAll<number>().as("count"))
		.executeTakeFirstOrThrow();
	assert.equal(seen.length, count);
	assert.equal(new Set(seen.map(({ cursor }) => cursor)).size, count);
	const at = Math.floor(seen.length / 2);
	const behind = await list(`?pageSize=200&after=${seen[at]?.cursor}`);
	assert.deepEqual(behind.items, seen.slice(at + 1));
});

test("a token that is for some environments is told of those alone", async () => {
	const { token } = await door.admin.client.createToken({
		body: { name: "narrow", role: "viewer", environments: "qa-*" },
	});
	const mine = (await givenEnvironment(door, "qa-mine")).operation;
	const other = (await givenEnvironment(door, "other")).operation;
	const reader = await open("?after=0", {}, token);
	await write(door.db, other, "not told");
	await write(door.db, mine, "told");
	await until("it is told", () => reader.told().length === 1);
	for (const { environment } of [
		...reader.told(),
		...(await list("?pageSize=200", token)).items,
	]) {
		assert.equal(environment, mine.environment);
	}
	reader.leave();
});

test("another tenant's log is not there, except for the platform admin", async () => {
	const read = ({ client }: Person) =>
		client.listTenantEvents({ tenant: "acme", pageSize: 1 });
	const foreign = await refused(read(door.stranger));
	assert.equal(foreign.status, 404);
	const own = await list("", door.stranger.token);
	assert.deepEqual(own.items, []);
	const { items } = await read(door.platformAdmin);
	assert.equal(items.length, 1);
});

test("a place that is none is refused", async () => {
	const asked = await refused(
		door.viewer.client.listTenantEvents({ after: "latest" }),
	);
	assert.equal(asked.status, 400);
	const reader = await open("", { "last-event-id": "12.env_x.1" });
	assert.equal(reader.response.statusCode, 400);
});

test("in a database whose transactions are counted anew, stamps go on from the greatest", async () => {
	const { operation, environment } = await givenEnvironment(door);
	const beyond = 10_000_000;
	await door.db
		.updateTable("environments")
		.set({ last_stamp: beyond })
		.where("id", "=", environment.id)
		.execute();
	await alignEventClock(door.db);
	const cursor = `${beyond}`;
	const reader = await openStream(`${door.url}/v1/events`, {
		authorization: `Bearer ${door.viewer.token}`,
		"last-event-id": cursor,
	});
	const told = () =>
		reader.messages.flatMap(({ data }) =>
			data === undefined ? [] : [(JSON.parse(data) as Told).environment],
		);
	await write(door.db, operation, "after the restore");
	await until("it is told", () => told().length === 1);
	await alignEventClock(door.db);
	const other = await givenEnvironment(door);
	await until("that one, too", () => told().length === 2);
	assert.deepEqual(told(), [environment.id, other.environment.id]);
	reader.leave();
});
