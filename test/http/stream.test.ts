import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { NewEvent } from "../../src/domain/event.ts";
import type { TokenId } from "../../src/domain/ids.ts";
import type { Operation } from "../../src/domain/operation.ts";
import { roles } from "../../src/domain/tenant.ts";
import { makeServer } from "../../src/http/server.ts";
import { openDatabase } from "../../src/store/db.ts";
import { appendEvents } from "../../src/store/events.ts";
import { revokeToken } from "../../src/store/tokens.ts";
import { givenActor, noReach } from "../support/given.ts";
import { until } from "../support/until.ts";
import { type Door, endOperation, givenEnvironment, openDoor } from "./door.ts";
import { openStream } from "./stream-client.ts";

let door: Door;
before(async () => {
	door = await openDoor({ limits: { pingMs: 50, slowReaderMs: 1_000 } });
});
after(() => door.close());

const note = (message: string): NewEvent => ({
	type: "engine.warned",
	data: { message },
});

const append = ({ environment, id }: Operation, events: readonly NewEvent[]) =>
	door.db
		.transaction()
		.execute((trx) =>
			appendEvents(trx, { environment, operation: id }, events),
		);

function open(
	path: string,
	headers: Record<string, string> = {},
	token = door.viewer.token,
) {
	return openStream(`${door.url}${path}`, {
		authorization: `Bearer ${token}`,
		...headers,
	});
}

const noFollowers = () =>
	until("nobody follows any more", () => door.countFollowers() === 0);

test("an operation's stream has each event once and ends with it", async () => {
	const { operation } = await givenEnvironment(door);
	const reader = await open(`/v1/operations/${operation.id}/events`);
	const { headers, statusCode } = reader.response;
	assert.equal(statusCode, 200);
	assert.match(headers["content-type"] ?? "", /^text\/event-stream/);
	assert.equal(headers["cache-control"], "no-store, no-transform");
	assert.equal(headers["x-accel-buffering"], "no");

	await append(operation, [note("a"), note("b")]);
	await append(operation, [note("c")]);
	await until("all were seen", () => reader.ids().length === 4);
	await endOperation(door.db, operation.id);
	await append(operation, [note("last")]);
	await until("the stream ended", () => reader.isOver());

	assert.deepEqual(reader.ids(), [1, 2, 3, 4, 5]);
	const told = reader.messages.filter(({ comment }) => comment === undefined);
	assert.deepEqual(told[0], { retry: "2000" });
	assert.deepEqual(told.at(-1), { event: "end", data: "{}" });
	const second = told.find(({ id }) => id === "2");
	assert.equal(second?.event, "engine.warned");
	const { at, ...event } = JSON.parse(second?.data ?? "");
	assert.ok(at);
	assert.deepEqual(event, {
		id: 2,
		type: "engine.warned",
		environment: operation.environment,
		operation: operation.id,
		data: { message: "a" },
	});
	await noFollowers();
});

test("a client that was cut off goes on behind the last event that it saw", async () => {
	const { operation } = await givenEnvironment(door);
	const path = `/v1/operations/${operation.id}/events`;
	await append(operation, [note("a"), note("b")]);
	const first = await open(path);
	await until("something was seen", () => first.ids().length >= 3);
	first.leave();
	await append(operation, [note("c"), note("d")]);
	await endOperation(door.db, operation.id);
	const second = await open(`${path}?after=1`, { "last-event-id": "3" });
	await until("the stream ended", () => second.isOver());
	assert.deepEqual([...first.ids(), ...second.ids()], [1, 2, 3, 4, 5]);
	assert.equal(second.messages.at(-1)?.event, "end");
});

test("a client that comes back after the end is told of the end at once", async () => {
	const { operation } = await givenEnvironment(door);
	await endOperation(door.db, operation.id);
	const reader = await open(`/v1/operations/${operation.id}/events`, {
		"last-event-id": "1",
	});
	await until("the stream ended", () => reader.isOver());
	assert.deepEqual(reader.ids(), []);
	assert.equal(reader.messages.at(-1)?.event, "end");
});

test("a stream can begin behind any event", async () => {
	const { operation } = await givenEnvironment(door);
	await append(operation, [note("a"), note("b")]);
	await endOperation(door.db, operation.id);
	const reader = await open(`/v1/operations/${operation.id}/events?after=2`);
	await until("the stream ended", () => reader.isOver());
	assert.deepEqual(reader.ids(), [3]);
});

test("a Last-Event-ID that is none is refused before anything is sent", async () => {
	const { operation } = await givenEnvironment(door);
	const reader = await open(`/v1/operations/${operation.id}/events`, {
		"last-event-id": "latest",
	});
	assert.equal(reader.response.statusCode, 400);
	await noFollowers();
});

test("an environment's stream outlives its operations and ends when it is destroyed", async () => {
	const { environment, operation } = await givenEnvironment(door);
	const reader = await open(`/v1/environments/${environment.id}/events`);
	await until("the first was seen", () => reader.ids().length === 1);
	await endOperation(door.db, operation.id);
	await append(operation, [note("after the operation")]);
	await until("the next was seen", () => reader.ids().length === 2);
	assert.equal(reader.isOver(), false);
	await door.db.transaction().execute(async (trx) => {
		await trx
			.updateTable("environments")
			.set({ lifecycle: "destroyed" })
			.where("id", "=", environment.id)
			.execute();
		await appendEvents(trx, { environment: environment.id, operation: null }, [
			{ type: "environment.destroyed", data: {} },
		]);
	});
	await until("the stream ended", () => reader.isOver());
	assert.deepEqual(reader.ids(), [1, 2, 3]);
	assert.equal(reader.messages.at(-1)?.event, "end");
});

test("a stream in which nothing happens gives signs of life", async () => {
	const { environment } = await givenEnvironment(door);
	const reader = await open(`/v1/environments/${environment.id}/events`);
	await until(
		"two pings came",
		() =>
			reader.messages.filter(({ comment }) => comment === "ping").length > 1,
	);
	reader.leave();
	await noFollowers();
});

test("a client that leaves releases what was held for it", async () => {
	const { environment } = await givenEnvironment(door);
	const readers = await Promise.all(
		Array.from({ length: 5 }, () =>
			open(`/v1/environments/${environment.id}/events`),
		),
	);
	await until("all follow", () => door.countFollowers() === 5);
	for (const reader of readers) reader.leave();
	await noFollowers();
});

test("a client that does not read is disconnected, and nobody else waits for it", async () => {
	const { environment, operation } = await givenEnvironment(door);
	const path = `/v1/environments/${environment.id}/events`;
	const stuck = await open(path);
	stuck.response.pause();
	const reader = await open(path);
	// More than the kernel buffers between the two ends of a connection.
	for (let i = 0; i < 20; i++) {
		await append(
			operation,
			Array.from({ length: 20 }, () => note("x".repeat(50_000))),
		);
	}
	await until("the reader has all", () => reader.ids().length === 401);
	await until("only the reader follows", () => door.countFollowers() === 1);
	reader.leave();
	stuck.leave();
	await noFollowers();
});

test("a stream ends soon after its token is revoked", async () => {
	const { environment } = await givenEnvironment(door);
	const { actor, token } = await givenActor(door.db, "acme", "viewer");
	const path = `/v1/environments/${environment.id}/events`;
	const reader = await open(path, {}, token);
	await until("the first was seen", () => reader.ids().length === 1);
	await revokeToken(door.db, actor.token as TokenId, {
		tenant: undefined,
		roles,
	});
	await until("the stream is over", () => reader.isOver());
	assert.notEqual(reader.messages.at(-1)?.event, "end");
	await noFollowers();
});

test("a stream whose database goes away ends without an end, so that the client comes back", async () => {
	const { environment } = await givenEnvironment(door);
	const away = openDatabase({
		// Port 1 is nobody's.
		url: "postgresql://nobody@127.0.0.1:1/nothing",
		maxConnections: 1,
		onError: () => {},
	});
	const warnings: string[] = [];
	const server = makeServer({
		db: door.db,
		feed: {
			db: away.db,
			subscribe: () => () => {},
			whenMoved: () => () => {},
			close: async () => {},
		},
		verbs: door.installation,
		reach: noReach,
		pageKey: Buffer.alloc(32),
		log: {
			info: () => {},
			warn: (_, message) => warnings.push(message),
			error: (_, message) => warnings.push(`error: ${message}`),
		},
		version: "0",
	});
	const { port } = await server.listen({ host: "127.0.0.1", port: 0 });
	const reader = await openStream(
		`http://127.0.0.1:${port}/v1/environments/${environment.id}/events`,
		{ authorization: `Bearer ${door.viewer.token}` },
	);
	await until("the stream is over", () => reader.isOver());
	assert.deepEqual(reader.messages, [{ retry: "2000" }]);
	assert.deepEqual(warnings, ["a request could not be served"]);
	await server.close();
	await away.close();
});

test("the log has no mistake of ours", () => {
	assert.deepEqual(
		door.log.filter((line) => line.level !== "info"),
		[],
	);
});

test("a token has so many streams open at most, and others have theirs", async () => {
	const own = await openDoor({ limits: { maxStreams: 2 } });
	try {
		const { environment } = await givenEnvironment(own);
		const path = `/v1/environments/${environment.id}/events`;
		const follow = (token: string) =>
			openStream(`${own.url}${path}`, { authorization: `Bearer ${token}` });
		const [first] = [
			await follow(own.viewer.token),
			await follow(own.viewer.token),
		];
		const third = await follow(own.viewer.token);
		assert.equal(third.response.statusCode, 429);
		assert.equal(third.response.headers["retry-after"], "5");
		assert.match(third.response.headers["content-type"] ?? "", /problem/);
		// A page of the same log is no stream.
		const page = await own.viewer.client.listEnvironmentEvents({
			id: environment.id,
		});
		assert.equal(page.items.length, 1);
		const other = await follow(own.operator.token);
		assert.equal(other.response.statusCode, 200);

		first?.leave();
		await until("another one may be opened", async () => {
			const next = await follow(own.viewer.token);
			return next.response.statusCode === 200;
		});
	} finally {
		await own.close();
	}
});
