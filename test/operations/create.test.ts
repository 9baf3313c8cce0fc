import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { sql } from "kysely";
import type { Environment } from "../../src/domain/environment.ts";
import type { OperationId } from "../../src/domain/ids.ts";
import { farthestPlace } from "../../src/domain/operation.ts";
import { environmentSpec } from "../../src/domain/spec.ts";
import { Failure } from "../../src/failure.ts";
import { createEnvironment } from "../../src/operations/create.ts";
import {
	findEnvironment,
	loadEnvironment,
} from "../../src/store/environments.ts";
import { listEvents } from "../../src/store/events.ts";
import { findOperation, findQueuePlace } from "../../src/store/operations.ts";
import { listSealedSecrets } from "../../src/store/secrets.ts";
import { attempt } from "../support/attempt.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { makeScriptedWorld, scriptedOutputs } from "../support/engine.ts";
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

test("an order is an environment, a revision, sealed secrets and a queued operation, and its id goes on the queue", async () => {
	const { actor } = await givenActor(database.db, "acme");
	const operation = await givenOrder(installation, actor, "qa-1");
	assert.equal(operation.state, "queued");
	assert.deepEqual(
		[operation.revisionFrom, operation.revisionTo, operation.attempt],
		[null, 1, 0],
	);
	assert.ok(installation.sent.includes(operation.id));
	const environment = await loadEnvironment(database.db, operation.environment);
	assert.equal(environment.lifecycle, "creating");
	assert.match(environment.namespace, /^acme-qa-1-[0-9a-z]{4}$/);
	const sealed = await listSealedSecrets(database.db, environment.id);
	assert.equal(sealed.size, 12);
	assert.equal(new Set([...sealed.values()].map(String)).size, 12);
});

test("an order's answer says how many wait before it, counted up to a limit", async () => {
	const { db } = database;
	const { actor } = await givenActor(db, "acme");
	const first = await givenOrder(installation, actor, "waits-1");
	const second = await givenOrder(installation, actor, "waits-2");
	assert.deepEqual(second.place, {
		position: first.place.position + 1,
		waitingFor: null,
	});
	assert.deepEqual(await findQueuePlace(db, second), second.place);

	await sql`
		insert into operations (id, environment_id, kind, state, changes, requested_by)
		select 'op_' || n, ${first.environment}, 'create', 'queued', '{}', 'a test'
		from generate_series(1, ${farthestPlace}) n`.execute(db);
	const last = await givenOrder(installation, actor, "waits-3");
	assert.equal(last.place.position, farthestPlace);
	assert.deepEqual(await findQueuePlace(db, last), last.place);
	// In the line of its own environment each is counted.
	const own = await findQueuePlace(db, {
		id: `op_${farthestPlace}` as OperationId,
		environment: first.environment,
		kind: "create",
	});
	assert.deepEqual(own, { position: farthestPlace, waitingFor: first.id });
});

test("a worker brings an order up, phase by phase, and the environment is ready", async () => {
	const { actor } = await givenActor(database.db, "acme");
	const { id, environment: environmentId } = await givenOrder(
		installation,
		actor,
		"qa-2",
	);
	const world = makeScriptedWorld({
		up: async ({ onEvent }) => {
			await onEvent({
				type: "resource.created",
				data: { kind: "v1/Namespace", name: "n" },
			});
			return undefined;
		},
	});
	assert.equal(await attempt(installation, world, id), "final");

	assert.deepEqual(world.calls, ["up", "ready", "verify", "close"]);
	const operation = await findOperation(database.db, id, undefined);
	assert.equal(operation?.state, "succeeded");
	assert.equal(operation.changes.create, 3);
	assert.deepEqual(
		operation.phases.map(({ name, state }) => `${name} ${state}`),
		["preparing", "applying", "waiting", "verifying", "finishing"].map(
			(name) => `${name} succeeded`,
		),
	);
	const environment: Environment = await loadEnvironment(
		database.db,
		environmentId,
	);
	assert.equal(environment.lifecycle, "ready");
	assert.equal(environment.health, "healthy");
	assert.equal(environment.revision, 1);
	assert.deepEqual(environment.endpoints, scriptedOutputs.endpoints);
	assert.deepEqual(environment.versions, { server: "0.6.0" });
	const events = await listEvents(
		database.db,
		{ environment: environmentId },
		{ after: 0, limit: 100 },
	);
	assert.deepEqual(
		events.map((event) => event.id),
		events.map((_, i) => i + 1),
	);
	assert.deepEqual(
		events.map((event) => event.type),
		[
			"operation.queued",
			"operation.started",
			"phase.started",
			"phase.succeeded",
			"phase.started",
			"resource.created",
			"phase.succeeded",
			"phase.started",
			"phase.succeeded",
			"phase.started",
			"verification.passed",
			"phase.succeeded",
			"phase.started",
			"phase.succeeded",
			"environment.ready",
			"operation.succeeded",
		],
	);
});

test("the program gets the secrets that were sealed at order time, the same at each attempt", async () => {
	const { actor } = await givenActor(database.db, "acme");
	const { id } = await givenOrder(installation, actor, "qa-3");
	let refused = false;
	const world = makeScriptedWorld({
		ready: async () => {
			if (refused) return;
			refused = true;
			throw new Failure({
				code: "unavailable",
				message: "The API server is away.",
				retryable: true,
			});
		},
	});
	assert.equal(await attempt(installation, world, id), "postponed");
	await database.db
		.updateTable("operations")
		.set({ not_before: null })
		.where("id", "=", id)
		.execute();
	assert.equal(await attempt(installation, world, id), "final");
	const [first, second] = world.runs;
	assert.match(first?.input.secrets.MAESTRO_SECRETJWT ?? "", /^[0-9a-f]{64}$/);
	assert.deepEqual(first, second);
});

test("two orders of one name at the same moment make one environment and one conflict", async () => {
	const { actor } = await givenActor(database.db, "acme");
	const outcomes = await Promise.allSettled(
		Array.from({ length: 8 }, () =>
			givenOrder(installation, actor, "contested"),
		),
	);
	const made = outcomes.filter((outcome) => outcome.status === "fulfilled");
	assert.equal(made.length, 1);
	for (const outcome of outcomes) {
		if (outcome.status === "fulfilled") continue;
		assert.ok(outcome.reason instanceof Failure);
		assert.equal(outcome.reason.code, "conflict");
		assert.equal(outcome.reason.errors[0]?.pointer, "/name");
	}
});

test("the same name in another tenant is another environment", async () => {
	const { actor } = await givenActor(database.db, "acme");
	const { actor: other } = await givenActor(database.db, "globex");
	await givenOrder(installation, actor, "shared-name");
	await givenOrder(installation, other, "shared-name");
	const found = await findEnvironment(database.db, {
		idOrName: "shared-name",
		scope: other.tenant.id,
		tenant: other.tenant.id,
	});
	assert.equal(found?.tenant, "globex");
});

for (const [what, input] of [
	["release", { release: "9.9.9" }],
	["target", { target: "moon" }],
] as const) {
	test(`a ${what} that does not exist is refused, and nothing is stored`, async () => {
		const { actor } = await givenActor(database.db, "acme");
		const spec = environmentSpec.parse({ name: `no-${what}`, ...input });
		await assert.rejects(
			createEnvironment(installation, actor, spec),
			(error) => {
				assert.ok(error instanceof Failure);
				assert.equal(error.code, "invalid_request");
				assert.equal(error.errors[0]?.pointer, `/${what}`);
				return true;
			},
		);
		const found = await findEnvironment(database.db, {
			idOrName: spec.name,
			scope: undefined,
			tenant: actor.tenant.id,
		});
		assert.equal(found, undefined);
	});
}
