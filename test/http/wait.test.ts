// Asking for an operation and waiting for news of it.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { sql } from "kysely";
import { readEtag } from "../../client/client.ts";
import type { OperationId } from "../../src/domain/ids.ts";
import { appendEvents } from "../../src/store/events.ts";
import { refused } from "../support/answers.ts";
import { until } from "../support/until.ts";
import { type Door, endOperation, givenEnvironment, openDoor } from "./door.ts";

let door: Door;
before(async () => {
	door = await openDoor();
});
after(() => door.close());

const ask = (id: OperationId, wait?: string, seen?: string) =>
	door.viewer.client.findOperation(
		{ id, ...(wait !== undefined && { wait }) },
		{ ifNoneMatch: seen },
	);

const someoneWaits = () =>
	until("somebody waits", () => door.countFollowers() === 1);

/** Brings it as far as a worker would, with the event that tells it. */
async function advance(id: OperationId): Promise<void> {
	await door.db.transaction().execute(async (trx) => {
		const { environment_id } = await trx
			.updateTable("operations")
			.set({ state: "running", phase: "preparing", attempt: 1 })
			.where("id", "=", id)
			.returning("environment_id")
			.executeTakeFirstOrThrow();
		await appendEvents(trx, { environment: environment_id, operation: id }, [
			{ type: "engine.warned", data: { message: "on" } },
		]);
	});
}

test("who waits is answered as soon as the operation comes farther, and not by an event that says nothing of that", async () => {
	const { id, environment } = (await givenEnvironment(door)).operation;
	const waiting = ask(id, "60s");
	await someoneWaits();
	await appendEvents(door.db, { environment, operation: id }, [
		{ type: "engine.warned", data: { message: "nothing" } },
	]);
	await advance(id);
	const { data, status } = await waiting.withResponse();
	assert.equal(status, 200);
	assert.equal(data?.state, "running");
	assert.equal(data.phase, "preparing");
	assert.equal(door.countFollowers(), 0);
});

test("what has ended is answered at once", async () => {
	const { id } = (await givenEnvironment(door)).operation;
	await endOperation(door.db, id);
	const { data, status } = await ask(id, "60s").withResponse();
	assert.equal(status, 200);
	assert.equal(data?.state, "succeeded");
});

test("who has seen an older state is answered at once, and who has seen this one waits for the next", async () => {
	const { id, environment } = (await givenEnvironment(door)).operation;
	const old = (await ask(id)) ?? assert.fail();
	await advance(id);
	const news = await ask(id, "60s", readEtag(old));
	assert.equal(news?.state, "running");
	const waiting = ask(id, "60s", readEtag(news));
	await someoneWaits();
	await endOperation(door.db, id);
	await appendEvents(door.db, { environment, operation: id }, [
		{ type: "engine.warned", data: { message: "over" } },
	]);
	assert.equal((await waiting)?.state, "succeeded");
});

test("when the time is over it is answered as it is, or not again to who knows it", async () => {
	const { id } = (await givenEnvironment(door)).operation;
	const first = (await ask(id, "1s")) ?? assert.fail();
	assert.equal(first.state, "queued");
	const known = ask(id, "1s", readEtag(first));
	assert.equal(await known, undefined);
	assert.equal((await known.withResponse()).status, 304);
});

test("a time that is none, or too long, is refused", async () => {
	const { id } = (await givenEnvironment(door)).operation;
	for (const wait of ["0s", "61s", "1m", "30", "-1s"]) {
		assert.equal((await refused(ask(id, wait))).status, 400, wait);
	}
});

test("for who has left before he was known nobody waits", async () => {
	const { id } = (await givenEnvironment(door)).operation;
	const leave = new AbortController();
	const lines = door.log.length;
	await door.db.transaction().execute(async (trx) => {
		// Who calls is read from here.
		await sql`lock table tokens in access exclusive mode`.execute(trx);
		const left = door.viewer.client.findOperation(
			{ id, wait: "60s" },
			{ signal: leave.signal },
		);
		await until("the request waits to learn who calls", async () => {
			const { rows } = await sql`
				select from pg_locks where not granted and relation = 'tokens'::regclass`.execute(
				trx,
			);
			return rows.length > 0;
		});
		leave.abort();
		await left.catch(() => {});
		await until("the service has seen it leave", () =>
			door.log.slice(lines).some(({ fields }) => fields.isComplete === false),
		);
	});
	// By the same road, behind the one that left.
	assert.equal((await ask(id, "1s"))?.id, id);
	assert.equal(door.countFollowers(), 0);
});

test("a process that stops answers those who wait", async (t) => {
	const own = await openDoor();
	t.after(() => own.close());
	const { id } = (await givenEnvironment(own)).operation;
	const waiting = own.viewer.client.findOperation({ id, wait: "60s" });
	await until("somebody waits", () => own.countFollowers() === 1);
	await own.closeServer();
	const { data, status } = await waiting.withResponse();
	assert.equal(status, 200);
	assert.equal(data.state, "queued");
});
