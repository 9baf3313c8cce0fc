import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { maxAttempts } from "../../src/domain/operation.ts";
import { Failure } from "../../src/failure.ts";
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
before(async () => {
	database = await createTestDatabase();
	installation = await givenInstallation(database.db);
});
after(() => database.close());

const givenQueued = async (name: string) =>
	givenOrder(installation, (await givenActor(database.db, "acme")).actor, name);

const stuck = new Failure({
	code: "workload_stuck",
	message: "Deployment server: the image no-such-image cannot be pulled.",
	advice: "Correct the release.",
});

test("a failure that will not pass ends the operation, says why, and the environment is failed", async () => {
	const { id, environment } = await givenQueued("stuck");
	const world = makeScriptedWorld({ ready: async () => Promise.reject(stuck) });
	assert.equal(await attempt(installation, world, id), "final");
	const operation = await findOperation(database.db, id, undefined);
	assert.equal(operation?.state, "failed");
	assert.equal(operation.error?.code, "workload_stuck");
	assert.equal(operation.error.message, stuck.message);
	assert.equal(operation.phases.at(-1)?.state, "failed");
	assert.equal(
		(await loadEnvironment(database.db, environment)).lifecycle,
		"failed",
	);
	const events = await listEvents(
		database.db,
		{ environment },
		{ after: 0, limit: 100 },
	);
	assert.deepEqual(
		events.slice(-2).map((event) => event.type),
		["phase.failed", "operation.failed"],
	);
});

test("a failure that may pass is tried again after a pause, and only so often: then the operation is stalled", async () => {
	const { id, environment } = await givenQueued("flaky");
	const away = new Failure({
		code: "unavailable",
		message: "The API server is away.",
		retryable: true,
	});
	const exists = [{ kind: "v1/Namespace", count: 1, notReady: [] }];
	const world = makeScriptedWorld({
		up: async () => Promise.reject(away),
		stock: async () => exists,
	});
	for (let i = 1; i < maxAttempts; i++) {
		assert.equal(await attempt(installation, world, id), "postponed");
		const row = await database.db
			.selectFrom("operations")
			.select(["state", "not_before", "lease_expires_at"])
			.where("id", "=", id)
			.executeTakeFirstOrThrow();
		assert.equal(row.state, "recovering");
		assert.ok(
			row.not_before &&
				row.lease_expires_at &&
				row.not_before > row.lease_expires_at,
		);
		assert.equal(
			await attempt(installation, world, id),
			"nothing",
			"the pause is kept",
		);
		await database.db
			.updateTable("operations")
			.set({ not_before: null })
			.where("id", "=", id)
			.execute();
	}
	assert.equal(await attempt(installation, world, id), "final");
	const operation = await findOperation(database.db, id, undefined);
	assert.equal(operation?.state, "stalled");
	assert.equal(operation.attempt, maxAttempts);
	assert.deepEqual(operation.exists, exists);
	const { message = "", advice = "" } = operation.error ?? {};
	assert.match(message, /5 attempts.*in the phase applying: The API server/);
	assert.match(advice, /:retry/);
	const events = await listEvents(
		database.db,
		{ environment },
		{ after: 0, limit: 100 },
	);
	assert.equal(
		events.filter((event) => event.type === "operation.postponed").length,
		maxAttempts - 1,
	);
	assert.deepEqual(
		events.slice(-2).map((event) => event.type),
		["phase.failed", "operation.stalled"],
	);
});

test("our own bug ends the operation without telling what it was", async () => {
	const { id } = await givenQueued("bug");
	const world = makeScriptedWorld({
		up: async () => {
			throw new Error("password is hunter2");
		},
	});
	assert.equal(await attempt(installation, world, id), "final");
	const operation = await findOperation(database.db, id, undefined);
	assert.equal(operation?.error?.code, "internal");
	assert.doesNotMatch(JSON.stringify(operation), /hunter2/);
});

test("a final operation is never taken again and never changes", async () => {
	const { id } = await givenQueued("done");
	assert.equal(await attempt(installation, makeScriptedWorld(), id), "final");
	const before = await findOperation(database.db, id, undefined);
	assert.equal(await attempt(installation, makeScriptedWorld(), id), "nothing");
	assert.deepEqual(await findOperation(database.db, id, undefined), before);
});
