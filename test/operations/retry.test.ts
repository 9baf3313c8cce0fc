import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { sql } from "kysely";
import type { OperationId } from "../../src/domain/ids.ts";
import type { Operation } from "../../src/domain/operation.ts";
import { Failure } from "../../src/failure.ts";
import { cancelOperation } from "../../src/operations/cancel.ts";
import { destroyEnvironment } from "../../src/operations/destroy.ts";
import { retryOperation } from "../../src/operations/retry.ts";
import { loadEnvironment } from "../../src/store/environments.ts";
import { listEvents } from "../../src/store/events.ts";
import { findOperation } from "../../src/store/operations.ts";
import { attempt } from "../support/attempt.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { makeScriptedWorld } from "../support/engine.ts";
import {
	givenActor,
	givenInstallation,
	givenOrder,
	type Installation,
} from "../support/given.ts";

let database: TestDatabase;
let installation: Installation;
let ordered = 0;
before(async () => {
	database = await createTestDatabase();
	installation = await givenInstallation(database.db);
});
after(() => database.close());

const broken = makeScriptedWorld({
	ready: () =>
		Promise.reject(
			new Failure({ code: "workload_stuck", message: "It is stuck." }),
		),
});

async function givenFailed() {
	const { actor } = await givenActor(database.db, "acme");
	const { id, environment } = await givenOrder(
		installation,
		actor,
		`env-${ordered++}`,
	);
	await attempt(installation, broken, id);
	const retry = async (what: OperationId = id) =>
		retryOperation(installation, actor, await find(what));
	return { actor, id, environment, retry };
}

async function find(id: OperationId): Promise<Operation> {
	const operation = await findOperation(database.db, id, undefined);
	assert.ok(operation);
	return operation;
}

const isConflict = (pattern: RegExp) => (error: unknown) => {
	assert.ok(error instanceof Failure);
	assert.equal(error.code, "conflict");
	assert.match(error.message, pattern);
	return true;
};

for (const state of ["failed", "stalled", "timed_out", "cancelled"] as const) {
	test(`what is ${state} is tried again by a new operation, and its own end stays as it is`, async () => {
		const { id, environment, retry } = await givenFailed();
		await sql`update operations set cancel_requested_by = 'someone', cancel_requested_at = now(), state = ${state} where id = ${id}`.execute(
			database.db,
		);
		const before = await find(id);
		const again = await retry();
		assert.notEqual(again.id, id);
		assert.equal(again.retryOf, id);
		assert.deepEqual(
			[again.kind, again.revisionTo, again.state, again.attempt],
			["create", 1, "queued", 0],
		);
		assert.equal(
			(await loadEnvironment(database.db, environment)).lifecycle,
			"creating",
		);
		const [queued] = await listEvents(
			database.db,
			{ environment, operation: again.id },
			{ after: 0, limit: 1 },
		);
		assert.deepEqual(queued?.data, { kind: "create", retryOf: id });

		assert.equal(
			await attempt(installation, makeScriptedWorld(), again.id),
			"final",
		);
		assert.equal((await find(again.id)).state, "succeeded");
		const { lifecycle, revision } = await loadEnvironment(
			database.db,
			environment,
		);
		assert.deepEqual([lifecycle, revision], ["ready", 1]);
		assert.deepEqual(await find(id), before);
	});
}

test("asked by many at once, it is one retry", async () => {
	const { retry } = await givenFailed();
	const orders = await Promise.all(Array.from({ length: 5 }, () => retry()));
	assert.equal(new Set(orders.map((order) => order.id)).size, 1);
});

test("a retry that failed is retried itself; the first one is history", async () => {
	const { id, retry } = await givenFailed();
	const second = await retry();
	await attempt(installation, broken, second.id);
	await assert.rejects(retry(id), isConflict(/not the newest/));
	assert.equal((await retry(second.id)).retryOf, second.id);
});

test("what has not ended, or has succeeded, is not tried again", async () => {
	const { retry } = await givenFailed();
	const again = await retry();
	await assert.rejects(retry(again.id), isConflict(/is queued/));
	await attempt(installation, makeScriptedWorld(), again.id);
	await assert.rejects(retry(again.id), isConflict(/is succeeded/));
});

test("what led to a revision that is not wished for any more is not tried again", async () => {
	const { environment, retry } = await givenFailed();
	await sql`update environments set desired_revision = 2 where id = ${environment}`.execute(
		database.db,
	);
	await assert.rejects(retry(), isConflict(/revision 1; revision 2/));
});

test("a destroy is tried again too, and an order that was taken back before it began does not stand in the way", async () => {
	const { actor, id, environment, retry } = await givenFailed();
	const destroy = async () =>
		destroyEnvironment(
			installation,
			actor,
			await loadEnvironment(database.db, environment),
		);
	await cancelOperation(installation, actor, await destroy());
	const again = await retry(id);
	await attempt(installation, broken, again.id);

	const refused = new Failure({ code: "conflict", message: "It is not ours." });
	const order = await destroy();
	await attempt(
		installation,
		makeScriptedWorld({ gone: () => Promise.reject(refused) }),
		order.id,
	);
	const second = await retry(order.id);
	assert.deepEqual([second.kind, second.revisionTo], ["destroy", null]);
	await attempt(installation, makeScriptedWorld(), second.id);
	assert.equal(
		(await loadEnvironment(database.db, environment)).lifecycle,
		"destroyed",
	);
	await assert.rejects(retry(again.id), isConflict(/not the newest/));
});
