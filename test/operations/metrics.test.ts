// What the parts of the service count while they work.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { sql } from "kysely";
import type { OperationId } from "../../src/domain/ids.ts";
import { Failure } from "../../src/failure.ts";
import { cancelOperation } from "../../src/operations/cancel.ts";
import { sweep } from "../../src/operations/sweep.ts";
import { attempt } from "../support/attempt.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { makeScriptedWorld } from "../support/engine.ts";
import {
	givenActor,
	givenInstallation,
	givenOrder,
	type Installation,
	silentLog,
} from "../support/given.ts";
import { countRise } from "../support/metrics.ts";

let database: TestDatabase;
let installation: Installation;
let ordered = 0;
before(async () => {
	database = await createTestDatabase();
	installation = await givenInstallation(database.db);
});
after(() => database.close());

async function givenQueued() {
	const { actor } = await givenActor(database.db, "acme");
	return givenOrder(installation, actor, `env-${ordered++}`);
}

const expireLease = (id: OperationId) =>
	sql`update operations set lease_expires_at = now() - interval '1 second', not_before = null where id = ${id}`.execute(
		database.db,
	);

test("an operation that succeeds is counted once, and so are its phases", async () => {
	const { id } = await givenQueued();
	const run = () => attempt(installation, makeScriptedWorld(), id);
	const create = { kind: "create", state: "succeeded" };
	let phases = 0;
	const ended = await countRise(
		"impresario_operations_ended_total",
		create,
		async () => {
			phases = await countRise(
				"impresario_phase_duration_seconds_count",
				create,
				run,
			);
		},
	);
	assert.equal(ended, 1);
	// preparing, applying, waiting, verifying, finishing
	assert.equal(phases, 5);
});

test("a failed phase is counted as failed, and the operation by its end", async () => {
	const { id } = await givenQueued();
	const world = makeScriptedWorld({
		ready: async () =>
			Promise.reject(
				new Failure({ code: "workload_stuck", message: "Stuck." }),
			),
	});
	const failed = { kind: "create", state: "failed" };
	let phases = 0;
	const ended = await countRise(
		"impresario_operations_ended_total",
		failed,
		async () => {
			phases = await countRise(
				"impresario_phase_duration_seconds_count",
				{ ...failed, phase: "waiting" },
				() => attempt(installation, world, id),
			);
		},
	);
	assert.deepEqual([ended, phases], [1, 1]);
});

test("an owner that lost its lease counts that, and the next one a recovery", async () => {
	const { id } = await givenQueued();
	const world = makeScriptedWorld({
		up: async () => {
			await expireLease(id);
			const recovered = await countRise(
				"impresario_recoveries_total",
				{ kind: "create" },
				() => attempt(installation, makeScriptedWorld(), id, { owner: "next" }),
			);
			assert.equal(recovered, 1);
			return undefined;
		},
	});
	assert.equal(
		await countRise("impresario_lease_losses_total", {}, async () => {
			assert.equal(await attempt(installation, world, id), "lost");
		}),
		1,
	);
});

test("what is cancelled before its begin is counted, and so is what nobody took in time", async () => {
	const cancelled = await givenQueued();
	const { actor } = await givenActor(database.db, "acme");
	assert.equal(
		await countRise(
			"impresario_operations_ended_total",
			{ kind: "create", state: "cancelled" },
			() => cancelOperation(installation, actor, cancelled),
		),
		1,
	);
	const late = await givenQueued();
	await sql`update operations set created_at = now() - interval '2 days' where id = ${late.id}`.execute(
		database.db,
	);
	assert.equal(
		await countRise(
			"impresario_operations_ended_total",
			{ kind: "create", state: "timed_out" },
			() => sweep({ ...installation, log: silentLog }),
		),
		1,
	);
});

test("a message that the sweep sends again is counted", async () => {
	const { id } = await givenQueued();
	await sql`update operations set enqueued_at = now() - interval '1 hour' where id = ${id}`.execute(
		database.db,
	);
	assert.equal(
		await countRise("impresario_messages_resent_total", {}, () =>
			sweep({ ...installation, log: silentLog }),
		),
		1,
	);
});
