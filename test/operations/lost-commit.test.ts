// The connection to a real PostgreSQL dies between a COMMIT and its answer: the transaction is there, and its owner
// does not know. It tries again, and nothing may be there twice.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { claim } from "../../src/operations/claim.ts";
import { makeRecorder, writeAsOwner } from "../../src/operations/record.ts";
import { type Database, openDatabase } from "../../src/store/db.ts";
import { listEvents } from "../../src/store/events.ts";
import { closeOperation, releaseLease } from "../../src/store/leases.ts";
import { findOperation } from "../../src/store/operations.ts";
import {
	type CuttingProxy,
	startCuttingProxy,
} from "../support/cutting-proxy.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import {
	givenActor,
	givenInstallation,
	givenOrder,
	type Installation,
	silentLog,
} from "../support/given.ts";

let database: TestDatabase;
let proxy: CuttingProxy;
/** The same database as its owner sees it: over the line that is cut. */
let far: Database;
let installation: Installation;
let ordered = 0;
before(async () => {
	database = await createTestDatabase();
	proxy = await startCuttingProxy(database.url);
	far = openDatabase({ url: proxy.url, maxConnections: 4, onError: () => {} });
	installation = await givenInstallation(database.db);
});
after(async () => {
	await far?.close();
	await proxy?.close();
	await database?.close();
});

async function givenOwner() {
	const { actor } = await givenActor(database.db, "acme");
	const { id } = await givenOrder(installation, actor, `env-${ordered++}`);
	const owner = await claim({ db: far.db, log: silentLog }, { id, owner: "w" });
	assert.ok(owner);
	const { environment } = owner.operation;
	return {
		...owner,
		listTypes: async () =>
			(
				await listEvents(database.db, { environment }, { after: 0, limit: 50 })
			).map((event) => event.type),
	};
}

test("events whose commit was not answered are written once", async () => {
	const owner = await givenOwner();
	const recorder = makeRecorder(far.db, owner, owner);
	const cut = proxy.cutNextCommit();
	recorder.record({ type: "engine.warned", data: { message: "first" } });
	await recorder.flush();
	await cut;
	await recorder.progress(
		{ type: "phase.started", data: { phase: "preparing" } },
		{ phase: "preparing", phases: [] },
	);
	owner.stop();
	assert.deepEqual(await owner.listTypes(), [
		"operation.queued",
		"engine.warned",
		"phase.started",
	]);
});

test("what the transaction returned is kept when only its answer was lost", async () => {
	const owner = await givenOwner();
	let runs = 0;
	const cut = proxy.cutNextCommit();
	const result = await writeAsOwner(far.db, owner, owner, async () => {
		runs += 1;
		return `run ${runs}`;
	});
	await cut;
	owner.stop();
	assert.deepEqual([result, runs], ["run 1", 1]);
});

test("an operation whose end was committed without an answer has ended, and its owner knows", async () => {
	const owner = await givenOwner();
	const cut = proxy.cutNextCommit();
	await writeAsOwner(far.db, owner, owner, (trx) =>
		closeOperation(trx, owner.lease, { state: "succeeded", error: null }),
	);
	await cut;
	owner.stop();
	const operation = await findOperation(
		database.db,
		owner.operation.id,
		undefined,
	);
	assert.equal(operation?.state, "succeeded");
});

test("an owner that gave its lease back writes nothing under it, whatever number it gives", async () => {
	const owner = await givenOwner();
	await writeAsOwner(far.db, owner, owner, (trx) =>
		releaseLease(trx, owner.lease, { delayMs: 0, countsAsAttempt: true }),
	);
	owner.stop();
	const next = await claim(
		{ db: far.db, log: silentLog },
		{ id: owner.operation.id, owner: "next" },
	);
	assert.ok(next);
	next.stop();
	const late = makeRecorder(far.db, owner, owner);
	late.record({ type: "engine.warned", data: { message: "late" } });
	await assert.rejects(late.flush(), { code: "lease_lost" });
	assert.deepEqual(await owner.listTypes(), ["operation.queued"]);
});

test("writes that come at once are written one after the other, all of them", async () => {
	const owner = await givenOwner();
	const cut = proxy.cutNextCommit();
	const numbers = await Promise.all(
		Array.from({ length: 5 }, (_, i) =>
			writeAsOwner(far.db, owner, owner, async () => i),
		),
	);
	await cut;
	owner.stop();
	assert.deepEqual(numbers, [0, 1, 2, 3, 4]);
});
