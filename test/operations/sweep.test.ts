import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { sql } from "kysely";
import type { OperationId } from "../../src/domain/ids.ts";
import { maxAttempts } from "../../src/domain/operation.ts";
import { claim } from "../../src/operations/claim.ts";
import { destroyEnvironment } from "../../src/operations/destroy.ts";
import { sweep } from "../../src/operations/sweep.ts";
import {
	loadEnvironment,
	updateEnvironment,
} from "../../src/store/environments.ts";
import { listEvents } from "../../src/store/events.ts";
import { findOperation } from "../../src/store/operations.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import {
	givenActor,
	givenInstallation,
	givenOrder,
	type Installation,
	silentLog,
} from "../support/given.ts";

let database: TestDatabase;
let installation: Installation;
let ordered = 0;
before(async () => {
	database = await createTestDatabase();
	installation = await givenInstallation(database.db);
});
beforeEach(async () => {
	await sql`truncate events, operations, revisions, secrets, environments cascade`.execute(
		database.db,
	);
	installation.sent.length = 0;
});
after(() => database.close());

async function givenQueued() {
	const { actor } = await givenActor(database.db, "acme");
	const operation = await givenOrder(installation, actor, `env-${ordered++}`);
	installation.sent.length = 0;
	return operation;
}

const alter = (id: OperationId, assignment: ReturnType<typeof sql>) =>
	sql`update operations set ${assignment} where id = ${id}`.execute(
		database.db,
	);
const pass = () => sweep({ ...installation, log: silentLog });

test("an operation whose message was lost is sent again, once per while", async () => {
	const { id } = await givenQueued();
	await pass();
	assert.deepEqual(
		installation.sent,
		[],
		"a message that is on its way is not lost",
	);
	await alter(id, sql`enqueued_at = now() - interval '1 minute'`);
	await pass();
	assert.deepEqual(installation.sent, [id]);
	await pass();
	assert.deepEqual(installation.sent, [id]);
});

test("an operation whose owner died is sent as soon as its lease is over", async () => {
	const { id } = await givenQueued();
	(
		await claim({ db: database.db, log: silentLog }, { id, owner: "dead" })
	)?.stop();
	await pass();
	assert.deepEqual(installation.sent, []);
	await alter(
		id,
		sql`lease_expires_at = now() - interval '1 millisecond', enqueued_at = now() - interval '5 seconds'`,
	);
	await pass();
	assert.deepEqual(installation.sent, [id]);
});

test("an operation that pauses after a failure is sent when its pause is over", async () => {
	const { id } = await givenQueued();
	(
		await claim({ db: database.db, log: silentLog }, { id, owner: "w" })
	)?.stop();
	await alter(
		id,
		sql`lease_expires_at = now() - interval '9 seconds', enqueued_at = now() - interval '9 seconds', not_before = now() + interval '1 hour'`,
	);
	await pass();
	assert.deepEqual(installation.sent, []);
	await alter(id, sql`not_before = now() - interval '1 millisecond'`);
	await pass();
	assert.deepEqual(installation.sent, [id]);
});

test("an operation that was begun too often is stalled, and its environment failed", async () => {
	const { id, environment } = await givenQueued();
	await alter(
		id,
		sql`state = 'recovering', attempt = ${maxAttempts}, fence = 1, lease_expires_at = now() - interval '1 second', deadline_at = now() + interval '1 hour'`,
	);
	assert.deepEqual(await pass(), { resent: 0, ended: 1 });
	const operation = await findOperation(database.db, id, undefined);
	assert.equal(operation?.state, "stalled");
	assert.equal(operation.error?.code, "unavailable");
	assert.equal(
		(await loadEnvironment(database.db, environment)).lifecycle,
		"failed",
	);
	const events = await listEvents(
		database.db,
		{ environment },
		{ after: 0, limit: 10 },
	);
	assert.equal(events.at(-1)?.type, "operation.stalled");
});

test("one that is being cancelled and has no owner is sent again however often it was begun, and ended as cancelled when its time is over", async () => {
	const { id, environment } = await givenQueued();
	await alter(
		id,
		sql`state = 'cancelling', cancel_requested_by = 'someone', cancel_requested_at = now(), attempt = ${maxAttempts}, fence = 1, lease_expires_at = now() - interval '1 second', enqueued_at = now() - interval '1 minute', deadline_at = now() + interval '1 minute'`,
	);
	installation.sent.length = 0;
	assert.deepEqual(await pass(), { resent: 1, ended: 0 });
	assert.deepEqual(installation.sent, [id]);

	await alter(id, sql`deadline_at = now() - interval '1 second'`);
	assert.deepEqual(await pass(), { resent: 0, ended: 1 });
	const operation = await findOperation(database.db, id, undefined);
	assert.equal(operation?.state, "cancelled");
	assert.equal(operation.cancellation?.forced, true);
	assert.equal(operation.exists, null);
	assert.equal(
		(await loadEnvironment(database.db, environment)).lifecycle,
		"failed",
	);
});

test("an operation over its deadline without an owner is timed out", async () => {
	const { id } = await givenQueued();
	await alter(
		id,
		sql`state = 'running', attempt = 1, fence = 1, lease_expires_at = now() - interval '1 second', deadline_at = now() - interval '1 second'`,
	);
	await pass();
	assert.equal(
		(await findOperation(database.db, id, undefined))?.state,
		"timed_out",
	);
});

test("an operation that no worker ever took is timed out after a day", async () => {
	const { id } = await givenQueued();
	await alter(id, sql`created_at = now() - interval '25 hours'`);
	await pass();
	const operation = await findOperation(database.db, id, undefined);
	assert.equal(operation?.state, "timed_out");
	assert.match(operation.error?.message ?? "", /No worker/);
	assert.match(operation.error?.advice ?? "", /role `worker`/);
});

test("a phase in which the last owner was left has failed with the operation", async () => {
	const { id, environment } = await givenQueued();
	const phases = [
		{
			name: "preparing",
			state: "succeeded",
			startedAt: "2026-01-01T00:00:00.000Z",
			finishedAt: "2026-01-01T00:00:01.000Z",
		},
		{
			name: "applying",
			state: "running",
			startedAt: "2026-01-01T00:00:01.000Z",
			finishedAt: null,
		},
	];
	await alter(
		id,
		sql`state = 'running', attempt = 1, fence = 1, lease_expires_at = now() - interval '1 second', deadline_at = now() - interval '1 second', phase = 'applying', phases = ${JSON.stringify(phases)}`,
	);
	await pass();
	const operation = await findOperation(database.db, id, undefined);
	assert.deepEqual(
		operation?.phases.map(({ name, state }) => [name, state]),
		[
			["preparing", "succeeded"],
			["applying", "failed"],
		],
	);
	assert.ok(operation.phases[1]?.finishedAt);
	const events = await listEvents(
		database.db,
		{ environment },
		{ after: 0, limit: 10 },
	);
	assert.deepEqual(
		events.slice(-2).map((event) => event.type),
		["phase.failed", "operation.timed_out"],
	);
});

test("a destroy that no worker ever took leaves a ready environment ready", async () => {
	const { id, environment } = await givenQueued();
	await alter(
		id,
		sql`state = 'succeeded', started_at = now(), finished_at = now()`,
	);
	await updateEnvironment(database.db, environment, {
		lifecycle: "ready",
		health: "healthy",
		revision: 1,
	});
	const { actor } = await givenActor(database.db, "acme");
	const destroy = await destroyEnvironment(
		installation,
		actor,
		await loadEnvironment(database.db, environment),
	);
	await alter(destroy.id, sql`created_at = now() - interval '25 hours'`);
	await pass();
	const ended = await findOperation(database.db, destroy.id, undefined);
	assert.equal(ended?.state, "timed_out");
	const after = await loadEnvironment(database.db, environment);
	assert.deepEqual([after.lifecycle, after.health], ["ready", "healthy"]);
});

test("a destroy that no worker ever took leaves a failed environment failed", async () => {
	const { id, environment } = await givenQueued();
	await alter(id, sql`state = 'failed', finished_at = now()`);
	await updateEnvironment(database.db, environment, {
		lifecycle: "failed",
		revision: 1,
	});
	const { actor } = await givenActor(database.db, "acme");
	const destroy = await destroyEnvironment(
		installation,
		actor,
		await loadEnvironment(database.db, environment),
	);
	await alter(destroy.id, sql`created_at = now() - interval '25 hours'`);
	await pass();
	assert.equal(
		(await loadEnvironment(database.db, environment)).lifecycle,
		"failed",
	);
});

test("a destroy that expires behind a create that runs leaves that create's environment to it", async () => {
	const { id, environment } = await givenQueued();
	const owner = await claim(
		{ db: database.db, log: silentLog },
		{ id, owner: "alive" },
	);
	owner?.stop();
	const { actor } = await givenActor(database.db, "acme");
	const destroy = await destroyEnvironment(
		installation,
		actor,
		await loadEnvironment(database.db, environment),
	);
	await alter(destroy.id, sql`created_at = now() - interval '25 hours'`);
	await pass();
	assert.equal(
		(await loadEnvironment(database.db, environment)).lifecycle,
		"creating",
	);
});

test("a create that no worker ever took has failed", async () => {
	const { id, environment } = await givenQueued();
	await alter(id, sql`created_at = now() - interval '25 hours'`);
	await pass();
	assert.equal(
		(await loadEnvironment(database.db, environment)).lifecycle,
		"failed",
	);
});

test("each time that an operation is sent again it is another message, also without a claim in between", async () => {
	const { id } = await givenQueued();
	const messages: number[] = [];
	const sender = {
		enqueue: async (_: OperationId, sends: number) => {
			messages.push(sends);
		},
	};
	for (let i = 0; i < 3; i++) {
		await alter(id, sql`enqueued_at = now() - interval '1 minute'`);
		await sweep({ ...installation, sender, log: silentLog });
	}
	assert.deepEqual(messages, [1, 2, 3]);
});

test("the longer an operation waits for a free worker, the less often it is sent again, but at least once a minute", async () => {
	const { id } = await givenQueued();
	const wasSentAgain = async (waited: string, lastSent: string) => {
		installation.sent.length = 0;
		await alter(
			id,
			sql`created_at = now() - ${waited}::interval, enqueued_at = now() - ${lastSent}::interval`,
		);
		await pass();
		return installation.sent.length > 0;
	};
	assert.equal(await wasSentAgain("11 seconds", "11 seconds"), true);
	assert.equal(await wasSentAgain("60 seconds", "29 seconds"), false);
	assert.equal(await wasSentAgain("60 seconds", "31 seconds"), true);
	assert.equal(await wasSentAgain("5 hours", "59 seconds"), false);
	assert.equal(await wasSentAgain("5 hours", "61 seconds"), true);
});

test("an operation with a living owner is left alone", async () => {
	const { id } = await givenQueued();
	const owner = await claim(
		{ db: database.db, log: silentLog },
		{ id, owner: "alive" },
	);
	await alter(
		id,
		sql`attempt = ${maxAttempts}, deadline_at = now() - interval '1 second'`,
	);
	assert.deepEqual(await pass(), { resent: 0, ended: 0 });
	assert.equal(
		(await findOperation(database.db, id, undefined))?.state,
		"running",
	);
	owner?.stop();
});

test("sweeps that run side by side send and end each operation once", async () => {
	const many = await Promise.all(Array.from({ length: 6 }, givenQueued));
	installation.sent.length = 0;
	await sql`update operations set enqueued_at = now() - interval '1 minute'`.execute(
		database.db,
	);
	await Promise.all(Array.from({ length: 5 }, pass));
	assert.deepEqual(
		[...installation.sent].sort(),
		many.map((one) => one.id).sort(),
	);
});
