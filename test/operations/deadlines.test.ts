import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { sql } from "kysely";
import type { OperationId } from "../../src/domain/ids.ts";
import { overrunMs, phaseDeadlineMs } from "../../src/domain/operation.ts";
import { targetSettings } from "../../src/domain/target.ts";
import { Failure } from "../../src/failure.ts";
import { claim } from "../../src/operations/claim.ts";
import { loadEnvironment } from "../../src/store/environments.ts";
import { listEvents } from "../../src/store/events.ts";
import { renewLease } from "../../src/store/leases.ts";
import { findOperation } from "../../src/store/operations.ts";
import { attempt } from "../support/attempt.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { hang, makeScriptedWorld } from "../support/engine.ts";
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
after(() => database?.close());

/** An order on a target that allows its phases so many seconds. */
async function givenQueued(deadlines: Record<string, number> = {}) {
	const settings = JSON.stringify(targetSettings.parse({ deadlines }));
	await sql`update targets set settings = ${settings}`.execute(database.db);
	const { actor } = await givenActor(database.db, "acme");
	return givenOrder(installation, actor, `env-${ordered++}`);
}

const load = async (id: OperationId) => {
	const operation = await findOperation(database.db, id, undefined);
	assert.ok(operation);
	return operation;
};

const setTimeLeft = (id: OperationId, leftMs: number) =>
	sql`update operations set deadline_at = now() + make_interval(secs => ${leftMs / 1000}) where id = ${id}`.execute(
		database.db,
	);

test("a phase ends at the deadline that its target gives it, and the operation is timed out", async () => {
	const { id, environment } = await givenQueued({ waiting: 1 });
	const world = makeScriptedWorld({ ready: ({ signal }) => hang(signal) });
	assert.equal(await attempt(installation, world, id), "final");
	const operation = await load(id);
	assert.equal(operation.state, "timed_out");
	assert.equal(operation.phase, "waiting");
	assert.match(
		operation.error?.message ?? "",
		/phase waiting took longer than 1 second\./,
	);
	const events = await listEvents(
		database.db,
		{ environment },
		{ after: 0, limit: 50 },
	);
	assert.deepEqual(
		events.slice(-2).map((event) => event.type),
		["phase.failed", "operation.timed_out"],
	);
	const { lifecycle } = await loadEnvironment(database.db, environment);
	assert.equal(lifecycle, "failed");
});

test("a phase ends with the operation's own time, if less is left of it", async () => {
	const { id } = await givenQueued();
	await setTimeLeft(id, 700);
	const world = makeScriptedWorld({ up: ({ signal }) => hang(signal) });
	assert.equal(await attempt(installation, world, id), "final");
	const operation = await load(id);
	assert.equal(operation.state, "timed_out");
	assert.match(operation.error?.message ?? "", /operation's time was over/);
});

test("what could have passed by itself is no reason to try again once the time is over", async () => {
	const { id } = await givenQueued({ waiting: 1 });
	const world = makeScriptedWorld({
		ready: async ({ signal }) => {
			await hang(signal).catch(() => {});
			throw new Failure({
				code: "unavailable",
				message: "The API server does not answer.",
				retryable: true,
			});
		},
	});
	assert.equal(await attempt(installation, world, id), "final");
	assert.equal((await load(id)).state, "timed_out");
});

test("a failure that has nothing to do with the deadline keeps its name", async () => {
	const { id } = await givenQueued({ waiting: 1 });
	const world = makeScriptedWorld({
		ready: async () => {
			throw new Failure({ code: "workload_stuck", message: "It crashes." });
		},
	});
	assert.equal(await attempt(installation, world, id), "final");
	assert.equal((await load(id)).error?.code, "workload_stuck");
});

test("an operation has the time of its phases together, as its target gives them", async () => {
	const { id } = await givenQueued({ applying: 7, verifying: 11 });
	const owner = await claim(
		{ db: database.db, log: silentLog },
		{ id, owner: "w" },
	);
	assert.ok(owner);
	owner.stop();
	const [preparing, waiting, finishing] = (
		["preparing", "waiting", "finishing"] as const
	).map((phase) => phaseDeadlineMs("create", phase));
	assert.ok(preparing && waiting && finishing);
	const expectedMs = preparing + 7_000 + waiting + 11_000 + finishing;
	const { startedAt, deadlineAt } = owner.operation;
	assert.ok(startedAt !== null && deadlineAt !== null);
	assert.equal(deadlineAt.getTime() - startedAt.getTime(), expectedMs);
	assert.equal(owner.deadlinesMs.applying, 7_000);
	assert.equal(owner.deadlinesMs.waiting, waiting);
	assert.ok(
		owner.leftMs() <= expectedMs && owner.leftMs() > expectedMs - 5_000,
	);
});

test("an owner that does not come to an end after the deadline cannot keep the lease", async () => {
	const { id } = await givenQueued();
	const owner = await claim(
		{ db: database.db, log: silentLog },
		{ id, owner: "w" },
	);
	assert.ok(owner);
	owner.stop();
	await setTimeLeft(id, -overrunMs + 5_000);
	await renewLease(database.db, owner.lease);
	await setTimeLeft(id, -overrunMs - 1);
	await assert.rejects(renewLease(database.db, owner.lease), {
		code: "lease_lost",
	});
});

test("a target cannot be given deadlines of phases that do not exist, or none at all", () => {
	for (const deadlines of [{ dancing: 1 }, { waiting: 0 }, { waiting: 1e9 }]) {
		assert.equal(targetSettings.safeParse({ deadlines }).success, false);
	}
	assert.deepEqual(targetSettings.parse({}).deadlines, {});
});
