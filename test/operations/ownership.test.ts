import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { sql } from "kysely";
import type { OperationId } from "../../src/domain/ids.ts";
import { maxAttempts, noChanges } from "../../src/domain/operation.ts";
import { Failure } from "../../src/failure.ts";
import { claim } from "../../src/operations/claim.ts";
import { destroyEnvironment } from "../../src/operations/destroy.ts";
import { makeRecorder } from "../../src/operations/record.ts";
import { loadEnvironment } from "../../src/store/environments.ts";
import { listEvents } from "../../src/store/events.ts";
import {
	closeOperation,
	recordProgress,
	releaseLease,
	renewLease,
} from "../../src/store/leases.ts";
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
import { until } from "../support/until.ts";

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

const take = (id: OperationId, owner: string) =>
	claim({ db: database.db, log: silentLog }, { id, owner });

/** As if the owner had died and its lease had run out. */
const expireLease = (id: OperationId) =>
	sql`update operations set lease_expires_at = now() - interval '1 second', not_before = null where id = ${id}`.execute(
		database.db,
	);

test("of many workers with the same message one gets the operation", async () => {
	const { id } = await givenQueued();
	const claims = await Promise.all(
		Array.from({ length: 10 }, (_, i) => take(id, `worker-${i}`)),
	);
	const won = claims.filter((one) => one !== undefined);
	assert.equal(won.length, 1);
	for (const one of won) one.stop();
});

test("a second operation waits until the first of its environment has ended", async () => {
	const first = await givenQueued();
	const holder = await take(first.id, "a");
	assert.ok(holder);
	const { actor } = await givenActor(database.db, "acme");
	const environment = await loadEnvironment(database.db, first.environment);
	const second = await destroyEnvironment(installation, actor, environment);
	assert.equal(await take(second.id, "b"), undefined);
	await closeOperation(database.db, holder.lease, {
		state: "succeeded",
		error: null,
	});
	holder.stop();
	const next = await take(second.id, "b");
	assert.ok(next);
	next.stop();
});

test("the table itself refuses two active operations of one environment", async () => {
	const first = await givenQueued();
	const holder = await take(first.id, "a");
	holder?.stop();
	await assert.rejects(
		sql`insert into operations (id, environment_id, tenant_id, kind, state, changes, requested_by)
			values (${`op_second_${first.id}`}, ${first.environment}, (select tenant_id from environments where id = ${first.environment}), 'destroy', 'running', '{}', 'test')`.execute(
			database.db,
		),
		/operations_one_active/,
	);
});

test("an owner that lost its lease can write nothing any more", async () => {
	const { id, environment } = await givenQueued();
	const old = await take(id, "paused");
	assert.ok(old);
	old.stop();
	await expireLease(id);
	const next = await take(id, "next");
	assert.ok(next);
	next.stop();
	assert.ok(next.lease.fence > old.lease.fence);
	const before = await findOperation(database.db, id, undefined);

	const isLost = (error: unknown) =>
		error instanceof Failure && error.code === "lease_lost";
	const lost = new AbortController().signal;
	await assert.rejects(renewLease(database.db, old.lease), isLost);
	await assert.rejects(
		recordProgress(database.db, old.lease, { phase: "waiting", phases: [] }),
		isLost,
	);
	await assert.rejects(
		closeOperation(database.db, old.lease, { state: "failed", error: null }),
		isLost,
	);
	await assert.rejects(
		releaseLease(database.db, old.lease, { delayMs: 0, countsAsAttempt: true }),
		isLost,
	);
	const recorder = makeRecorder(database.db, old, { lost });
	recorder.record({ type: "engine.warned", data: { message: "late" } });
	await assert.rejects(recorder.flush(), isLost);

	assert.deepEqual(await findOperation(database.db, id, undefined), before);
	const events = await listEvents(
		database.db,
		{ environment },
		{ after: 0, limit: 100 },
	);
	assert.deepEqual(
		events.map((event) => event.type),
		["operation.queued"],
	);
	await renewLease(database.db, next.lease);
});

test("an attempt whose lease was taken over stops and changes nothing", async () => {
	const { id, environment } = await givenQueued();
	const world = makeScriptedWorld({ up: ({ signal }) => hang(signal) });
	const running = attempt(installation, world, id, { owner: "old" });
	await until("the engine runs", () => world.calls.includes("up"));
	await expireLease(id);
	const next = await take(id, "next");
	assert.ok(next);
	assert.equal(await running, "lost");
	next.stop();
	const operation = await findOperation(database.db, id, undefined);
	assert.equal(operation?.state, "recovering");
	assert.equal(operation.attempt, 2);
	assert.equal(
		(await loadEnvironment(database.db, environment)).lifecycle,
		"creating",
	);
});

for (const phase of ["up", "ready", "verify"] as const) {
	test(`an owner that dies in "${phase}" is followed by one that ends as an undisturbed run does`, async () => {
		const { id, environment } = await givenQueued();
		const dying = makeScriptedWorld({
			[phase]: ({ signal }: { signal: AbortSignal }) => hang(signal),
		});
		const dead = new AbortController();
		const died = attempt(installation, dying, id, {
			owner: "dying",
			stopping: dead.signal,
		});
		await until("it is there", () => dying.calls.includes(phase));
		await expireLease(id);

		const world = makeScriptedWorld();
		assert.equal(
			await attempt(installation, world, id, { owner: "next" }),
			"final",
		);
		dead.abort();
		assert.equal(await died, "lost");
		const operation = await findOperation(database.db, id, undefined);
		assert.equal(operation?.state, "succeeded");
		assert.equal(operation.attempt, 2);
		const after = await loadEnvironment(database.db, environment);
		assert.deepEqual(
			[after.lifecycle, after.health, after.revision],
			["ready", "healthy", 1],
		);
		const events = await listEvents(
			database.db,
			{ environment },
			{ after: 0, limit: 200 },
		);
		assert.equal(
			events.filter((event) => event.type === "operation.succeeded").length,
			1,
		);
		assert.deepEqual(
			events.map((event) => event.id),
			events.map((_, i) => i + 1),
		);
	});
}

test("a worker that stops hands its operation over at once, and it does not count as an attempt", async () => {
	const { id } = await givenQueued();
	const stopping = new AbortController();
	const world = makeScriptedWorld({ up: ({ signal }) => hang(signal) });
	const running = attempt(installation, world, id, {
		stopping: stopping.signal,
	});
	await until("the engine runs", () => world.calls.includes("up"));
	stopping.abort();
	assert.equal(await running, "postponed");
	const handed = await findOperation(database.db, id, undefined);
	assert.equal(handed?.state, "recovering");
	assert.equal(handed.attempt, 0);
	const next = makeScriptedWorld();
	assert.equal(await attempt(installation, next, id), "final");

	const events = await listEvents(
		database.db,
		{ environment: handed.environment },
		{ after: 0, limit: 200 },
	);
	const lives = events
		.map((event) => event.type)
		.filter((type) => type.startsWith("operation."));
	assert.deepEqual(lives, [
		"operation.queued",
		"operation.started",
		"operation.handed_over",
		"operation.recovered",
		"operation.succeeded",
	]);
});

test("the Job that verifies is another one for each owner, also after a hand-over", async () => {
	const { id } = await givenQueued();
	const stopping = new AbortController();
	const world = makeScriptedWorld({ verify: ({ signal }) => hang(signal) });
	const running = attempt(installation, world, id, {
		stopping: stopping.signal,
	});
	await until("it verifies", () => world.calls.includes("verify"));
	stopping.abort();
	assert.equal(await running, "postponed");
	const next = makeScriptedWorld();
	assert.equal(await attempt(installation, next, id), "final");
	const names = [...world.verifications, ...next.verifications];
	assert.equal(new Set(names).size, 2, names.join());
});

test("what earlier attempts changed counts as well", async () => {
	const { id } = await givenQueued();
	const passing = new Failure({
		code: "unavailable",
		message: "The API server does not answer.",
		retryable: true,
	});
	const first = makeScriptedWorld({ ready: () => Promise.reject(passing) });
	assert.equal(await attempt(installation, first, id), "postponed");
	await expireLease(id);
	const second = makeScriptedWorld({
		up: async () => ({ changes: { ...noChanges, create: 1, same: 3 } }),
	});
	assert.equal(await attempt(installation, second, id), "final");
	const operation = await findOperation(database.db, id, undefined);
	assert.deepEqual(operation?.changes, { ...noChanges, create: 4, same: 3 });
});

test("no operation is begun more often than is allowed", async () => {
	const { id } = await givenQueued();
	for (let i = 0; i < maxAttempts; i++) {
		(await take(id, `worker-${i}`))?.stop();
		await expireLease(id);
	}
	assert.equal(await take(id, "one too many"), undefined);
});
