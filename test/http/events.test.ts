import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Operation } from "../../src/domain/operation.ts";
import { appendEvents } from "../../src/store/events.ts";
import { askByPath } from "../support/ask-by-path.ts";
import { type Door, givenEnvironment, openDoor } from "./door.ts";

let door: Door;
let operation: Operation;
before(async () => {
	door = await openDoor();
	operation = (await givenEnvironment(door)).operation;
	const { environment } = operation;
	await door.db.transaction().execute(async (trx) => {
		await appendEvents(trx, { environment, operation: operation.id }, [
			{ type: "phase.started", data: { phase: "preparing" } },
		]);
		await appendEvents(trx, { environment, operation: null }, [
			{ type: "engine.warned", data: { message: "of no operation" } },
		]);
		await appendEvents(trx, { environment, operation: operation.id }, [
			{ type: "phase.succeeded", data: { phase: "preparing", durationMs: 5 } },
		]);
	});
});
after(() => door.close());

interface EventsPage {
	items: { id: number; type: string }[];
	nextPageToken: string | null;
}

async function read(path: string): Promise<EventsPage> {
	const page = await askByPath(door.viewer.client, ["GET", path]);
	return page as EventsPage;
}
const ids = (page: EventsPage) => page.items.map(({ id }) => id);

test("the log of an environment is a page of events, oldest first", async () => {
	const page = await read(`/v1/environments/${operation.environment}/events`);
	assert.deepEqual(
		page.items.map(({ id, type }) => [id, type]),
		[
			[1, "operation.queued"],
			[2, "phase.started"],
			[3, "engine.warned"],
			[4, "phase.succeeded"],
		],
	);
	assert.equal(page.nextPageToken, null);
	const { at, ...event } = page.items[3] as unknown as Record<string, unknown>;
	assert.match(String(at), /Z$/);
	assert.deepEqual(event, {
		id: 4,
		type: "phase.succeeded",
		environment: operation.environment,
		operation: operation.id,
		data: { phase: "preparing", durationMs: 5 },
	});
});

test("an operation's log has what it wrote, under the environment's numbers", async () => {
	const page = await read(`/v1/operations/${operation.id}/events`);
	assert.deepEqual(ids(page), [1, 2, 4]);
});

test("reading begins behind the event that is named", async () => {
	const path = `/v1/environments/${operation.environment}/events`;
	assert.deepEqual(ids(await read(`${path}?after=2`)), [3, 4]);
	assert.deepEqual(ids(await read(`${path}?after=4`)), []);
	assert.deepEqual(ids(await read(`${path}?after=999`)), []);
});

test("pages follow one another by their token", async () => {
	const path = `/v1/operations/${operation.id}/events?pageSize=2`;
	const first = await read(path);
	assert.deepEqual(ids(first), [1, 2]);
	const second = await read(`${path}&pageToken=${first.nextPageToken}`);
	assert.deepEqual(ids(second), [4]);
	assert.equal(second.nextPageToken, null);
});

test("a caller who accepts anything gets a page and no stream", async () => {
	for (const accept of ["*/*", "application/json", "text/html"]) {
		const answer = await door.sendRaw(
			"GET",
			`/v1/operations/${operation.id}/events`,
			{ token: door.viewer.token, headers: { accept } },
		);
		assert.match(answer.headers.get("content-type") ?? "", /json/);
	}
});

test("the head of a log is asked for without opening a stream", async () => {
	const answer = await door.sendRaw(
		"HEAD",
		`/v1/environments/${operation.environment}/events`,
		{ token: door.viewer.token, headers: { accept: "text/event-stream" } },
	);
	assert.equal(answer.status, 200);
	assert.equal(answer.text, "");
});
