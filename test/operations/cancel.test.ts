import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { sql } from "kysely";
import type { OperationId } from "../../src/domain/ids.ts";
import { maxAttempts, type Operation } from "../../src/domain/operation.ts";
import { Failure } from "../../src/failure.ts";
import { cancelOperation } from "../../src/operations/cancel.ts";
import { destroyEnvironment } from "../../src/operations/destroy.ts";
import { loadEnvironment } from "../../src/store/environments.ts";
import { listEvents } from "../../src/store/events.ts";
import { findOperation } from "../../src/store/operations.ts";
import { attempt } from "../support/attempt.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import {
	hang,
	makeScriptedWorld,
	type ScriptedWorld,
} from "../support/engine.ts";
import {
	givenActor,
	givenInstallation,
	givenOrder,
	type Installation,
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

const exists = [
	{ kind: "v1/Namespace", count: 1, notReady: [] },
	{
		kind: "apps/v1/Deployment",
		count: 2,
		notReady: [{ name: "server", condition: "0 of 1 replicas are available" }],
	},
];

async function given() {
	const { actor } = await givenActor(database.db, "acme");
	const { id, environment } = await givenOrder(
		installation,
		actor,
		`env-${ordered++}`,
	);
	return { actor, id, environment };
}

async function cancel(id: OperationId): Promise<Operation> {
	const { actor } = await givenActor(database.db, "acme");
	return cancelOperation(installation, actor, await find(id));
}

async function find(id: OperationId): Promise<Operation> {
	const operation = await findOperation(database.db, id, undefined);
	assert.ok(operation);
	return operation;
}

const readLog = async (id: OperationId) => {
	const { environment } = await find(id);
	const events = await listEvents(
		database.db,
		{ environment, operation: id },
		{ after: 0, limit: 100 },
	);
	return events.map(({ type }) => type);
};

const readLifecycle = async (environment: Operation["environment"]) =>
	(await loadEnvironment(database.db, environment)).lifecycle;

const isConflict = (pattern: RegExp) => (error: unknown) => {
	assert.ok(error instanceof Failure);
	assert.equal(error.code, "conflict");
	assert.match(error.message, pattern);
	return true;
};

/** Runs an attempt up to the named call, which hangs until it is interrupted. */
async function runTo(
	id: OperationId,
	call: "up" | "ready" | "verify" | "destroy" | "gone",
	options: Parameters<typeof attempt>[3] = {},
): Promise<{ world: ScriptedWorld; running: ReturnType<typeof attempt> }> {
	const world = makeScriptedWorld({
		[call]: ({ signal }: { signal: AbortSignal }) => hang(signal),
		stock: async () => exists,
	});
	const running = attempt(installation, world, id, options);
	await until("it is there", () => world.calls.includes(call));
	return { world, running };
}

test("a queued create is cancelled at once: nothing was begun, and its environment is empty and failed", async () => {
	const { id, environment } = await given();
	const cancelled = await cancel(id);
	assert.equal(cancelled.state, "cancelled");
	assert.equal(cancelled.cancellation?.requestedBy, "acme operator");
	assert.equal(cancelled.cancellation.forced, false);
	assert.deepEqual(cancelled.exists, []);
	assert.equal(await readLifecycle(environment), "failed");
	assert.deepEqual(await readLog(id), [
		"operation.queued",
		"operation.cancelled",
	]);
	assert.equal(await attempt(installation, makeScriptedWorld(), id), "nothing");
});

test("a destroy that was taken back before it began leaves the environment as it was", async () => {
	const { actor, id, environment } = await given();
	await attempt(installation, makeScriptedWorld(), id);
	const ready = await loadEnvironment(database.db, environment);
	const destroy = await destroyEnvironment(installation, actor, ready);
	assert.equal(await readLifecycle(environment), "destroying");
	assert.equal((await cancel(destroy.id)).state, "cancelled");
	assert.equal(await readLifecycle(environment), "ready");
});

test("a destroy that waits behind a create and is taken back leaves the create alone", async () => {
	const { actor, id, environment } = await given();
	const { running } = await runTo(id, "ready");
	const { id: destroy } = await destroyEnvironment(
		installation,
		actor,
		await loadEnvironment(database.db, environment),
	);
	await cancel(destroy);
	assert.equal(await readLifecycle(environment), "creating");
	await cancel(id);
	assert.equal(await running, "final");
});

for (const call of ["up", "ready", "verify"] as const) {
	test(`cancelled in "${call}", the owner interrupts it within about a second and says what exists`, async () => {
		const { id, environment } = await given();
		const { running, world } = await runTo(id, call);
		const asked = await cancel(id);
		assert.equal(asked.state, "cancelling");
		const askedAt = performance.now();
		assert.equal(await running, "final");
		assert.ok(performance.now() - askedAt < 3_000);
		assert.deepEqual(world.calls.slice(-2), ["stock", "close"]);
		const operation = await find(id);
		assert.equal(operation.state, "cancelled");
		assert.equal(operation.cancellation?.forced, false);
		assert.deepEqual(operation.exists, exists);
		assert.equal(operation.phases.at(-1)?.state, "cancelled");
		assert.match(operation.error?.untouched ?? "", /3 objects exist/);
		assert.equal(await readLifecycle(environment), "failed");
		const log = await readLog(id);
		assert.equal(
			log.filter((type) => type === "operation.cancelling").length,
			1,
		);
		assert.equal(log.at(-1), "operation.cancelled");
	});
}

test("a running destroy can be cancelled: what was deleted stays deleted, and it can be ordered again", async () => {
	const { actor, id, environment } = await given();
	await attempt(installation, makeScriptedWorld(), id);
	const order = async () =>
		destroyEnvironment(
			installation,
			actor,
			await loadEnvironment(database.db, environment),
		);
	const first = await order();
	const { running } = await runTo(first.id, "gone");
	await cancel(first.id);
	assert.equal(await running, "final");
	assert.equal((await find(first.id)).state, "cancelled");
	assert.equal(await readLifecycle(environment), "failed");
	const second = await order();
	assert.equal(
		await attempt(installation, makeScriptedWorld(), second.id),
		"final",
	);
	assert.equal(await readLifecycle(environment), "destroyed");
});

test("an engine that was ended before it had written down its end makes the cancellation a forced one", async () => {
	const { id } = await given();
	const { running } = await runTo(id, "up", {
		engineState: { end: async () => 1 },
	});
	await cancel(id);
	assert.equal(await running, "final");
	assert.equal((await find(id)).cancellation?.forced, true);
});

test("what cannot be found out is not made up", async () => {
	const { id } = await given();
	const world = makeScriptedWorld({
		up: ({ signal }) => hang(signal),
		stock: async () => {
			throw new Failure({ code: "unavailable", message: "It is away." });
		},
	});
	const running = attempt(installation, world, id);
	await until("it runs", () => world.calls.includes("up"));
	await cancel(id);
	assert.equal(await running, "final");
	const operation = await find(id);
	assert.equal(operation.state, "cancelled");
	assert.equal(operation.exists, null);
	assert.match(operation.error?.untouched ?? "", /could not be found out/);
});

test("cancelled again and again, by many at once, it is the same operation and one wish", async () => {
	const { id } = await given();
	const { running } = await runTo(id, "up");
	const answers = await Promise.all(
		Array.from({ length: 5 }, () => cancel(id)),
	);
	assert.deepEqual(new Set(answers.map((one) => one.id)), new Set([id]));
	await running;
	assert.equal((await cancel(id)).state, "cancelled");
	const log = await readLog(id);
	assert.equal(log.filter((type) => type === "operation.cancelling").length, 1);
});

test("many cancel what many workers want to claim: it is cancelled either way", async () => {
	for (let round = 0; round < 5; round++) {
		const { id } = await given();
		const world = makeScriptedWorld({ up: ({ signal }) => hang(signal) });
		const [cancelled, ...ends] = await Promise.all([
			cancel(id),
			attempt(installation, world, id),
			attempt(installation, world, id),
		]);
		assert.ok(["cancelled", "cancelling"].includes(cancelled.state));
		assert.ok(ends.includes("nothing"));
		assert.equal((await find(id)).state, "cancelled");
	}
});

test("what has ended, or is writing down its end, cannot be cancelled", async () => {
	const { id } = await given();
	const { running } = await runTo(id, "verify");
	await sql`update operations set phase = 'finishing' where id = ${id}`.execute(
		database.db,
	);
	await assert.rejects(cancel(id), isConflict(/writing down its end/));
	await sql`update operations set phase = 'verifying' where id = ${id}`.execute(
		database.db,
	);
	await cancel(id);
	await running;

	const done = await given();
	await attempt(installation, makeScriptedWorld(), done.id);
	const before = await find(done.id);
	await assert.rejects(cancel(done.id), isConflict(/it is succeeded/));
	assert.deepEqual(await find(done.id), before);
});

test("a wish that comes while the last work is done is kept: the operation does not end as succeeded", async () => {
	const { id } = await given();
	const world = makeScriptedWorld({
		verify: async () => {
			await cancel(id);
			return { server: "0.6.0" };
		},
	});
	assert.equal(await attempt(installation, world, id), "final");
	assert.equal((await find(id)).state, "cancelled");
});

test("a failure that comes after the wish does not change that it was cancelled", async () => {
	for (const retryable of [true, false]) {
		const { id } = await given();
		const world = makeScriptedWorld({
			up: async () => {
				await cancel(id);
				throw new Failure({ code: "engine_failed", message: "No.", retryable });
			},
		});
		assert.equal(await attempt(installation, world, id), "final");
		assert.equal((await find(id)).state, "cancelled");
	}
});

test("what waits for its next attempt is cancelled without waiting for it", async () => {
	const { id } = await given();
	const away = new Failure({
		code: "unavailable",
		message: "The API server is away.",
		retryable: true,
	});
	const failing = makeScriptedWorld({ up: () => Promise.reject(away) });
	assert.equal(await attempt(installation, failing, id), "postponed");
	installation.sent.length = 0;
	assert.equal((await cancel(id)).state, "cancelling");
	assert.deepEqual(installation.sent, [id]);
	const world = makeScriptedWorld({ stock: async () => exists });
	assert.equal(await attempt(installation, world, id), "final");
	assert.deepEqual(world.calls, ["stock", "close"]);
	assert.equal((await find(id)).state, "cancelled");
});

test("an owner that dies while it cancels is followed by one that begins nothing and ends it as cancelled, however often it was begun", async () => {
	const { id } = await given();
	const dead = new AbortController();
	const { running: died } = await runTo(id, "up", { stopping: dead.signal });
	await sql`update operations set attempt = ${maxAttempts}, lease_expires_at = now() - interval '1 second' where id = ${id}`.execute(
		database.db,
	);
	assert.equal((await cancel(id)).state, "cancelling");
	const world = makeScriptedWorld({ stock: async () => exists });
	assert.equal(
		await attempt(installation, world, id, {
			owner: "next",
			engineState: { end: async () => 1 },
		}),
		"final",
	);
	dead.abort();
	assert.equal(await died, "lost");
	assert.deepEqual(world.calls, ["stock", "close"]);
	const operation = await find(id);
	assert.equal(operation.state, "cancelled");
	assert.equal(operation.cancellation?.forced, true);
	assert.deepEqual(operation.exists, exists);
});
