// The verb `preview`: it takes no turn, moves nothing, and tells what its engine would do.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Environment } from "../../src/domain/environment.ts";
import type { OperationId } from "../../src/domain/ids.ts";
import { noChanges } from "../../src/domain/operation.ts";
import type { PlannedResource } from "../../src/domain/plan.ts";
import { previewedOrder } from "../../src/domain/preview.ts";
import { upstreamRelease } from "../../src/domain/release.ts";
import { environmentSpec } from "../../src/domain/spec.ts";
import type { Actor } from "../../src/domain/tenant.ts";
import { Failure } from "../../src/failure.ts";
import { cancelOperation } from "../../src/operations/cancel.ts";
import { createEnvironment } from "../../src/operations/create.ts";
import { destroyEnvironment } from "../../src/operations/destroy.ts";
import { previewOrder } from "../../src/operations/preview.ts";
import { retryOperation } from "../../src/operations/retry.ts";
import { sweep } from "../../src/operations/sweep.ts";
import { upgradeEnvironment } from "../../src/operations/upgrade.ts";
import { loadEnvironment } from "../../src/store/environments.ts";
import { listEvents } from "../../src/store/events.ts";
import {
	findOperation,
	listCurrentOperations,
	takeForgotten,
} from "../../src/store/operations.ts";
import { findPreview } from "../../src/store/previews.ts";
import { findQueuePlace } from "../../src/store/queue-place.ts";
import { createRelease } from "../../src/store/releases.ts";
import { listRevisions } from "../../src/store/revisions.ts";
import { attempt } from "../support/attempt.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { hang, makeScriptedWorld, type Script } from "../support/engine.ts";
import {
	givenActor,
	givenInstallation,
	type Installation,
	silentLog,
} from "../support/given.ts";
import { loadOrdered, loadUnneeded } from "../support/ordered.ts";
import { until } from "../support/until.ts";

let database: TestDatabase;
let installation: Installation;
let actor: Actor;
before(async () => {
	database = await createTestDatabase();
	installation = await givenInstallation(database.db);
	actor = (await givenActor(database.db, "acme")).actor;
	for (const name of ["0.6.1", "0.6.2"])
		await createRelease(database.db, upstreamRelease(name, "0.15.0"));
});
after(() => database.close());

const load = (id: Environment["id"]) => loadEnvironment(database.db, id);
const find = async (id: string) => {
	const operation = await findOperation(database.db, id, undefined);
	if (operation === undefined) throw new Error(`there is no ${id}`);
	return operation;
};
const work = (id: OperationId, script: Script = {}) =>
	attempt(installation, makeScriptedWorld(script), id);

let count = 0;
async function givenReady(): Promise<Environment> {
	const create = await createEnvironment(
		installation,
		actor,
		environmentSpec.parse({ name: `env-${count++}` }),
	);
	assert.equal(await work(create.id), "final");
	return load(create.environment);
}
const preview = async (environment: Environment, order: object) =>
	loadOrdered(
		await previewOrder(installation, actor, {
			environment,
			order: previewedOrder.parse(order),
		}),
	);
const upgrade = async (environment: Environment, release: string) =>
	loadOrdered(
		await upgradeEnvironment(installation, actor, {
			environment,
			change: { release },
		}),
	);
async function findResult(id: OperationId) {
	const { options } = await find(id);
	const found = await findPreview(
		database.db,
		options.preview ?? "",
		undefined,
	);
	if (found === undefined) throw new Error("there is no preview");
	return found;
}

const server: PlannedResource = {
	kind: "apps/v1/Deployment",
	name: "server",
	step: "update",
	changes: [
		{
			path: "spec.template.spec.containers[server].image",
			before: "a:1",
			after: "a:2",
		},
	],
	before: { replicas: 1, isRecreated: false, images: { server: "a:1" } },
	after: { replicas: 1, isRecreated: false, images: { server: "a:2" } },
};

test("the engine is asked with what the verb would wish for, and the environment stays as it is", async () => {
	const environment = await givenReady();
	const operation = await preview(environment, {
		upgrade: { release: "0.6.1", size: "ha" },
	});
	assert.deepEqual(
		[operation.kind, operation.state, operation.revisionTo],
		["preview", "queued", null],
	);
	const world = makeScriptedWorld({
		preview: async () => ({
			changes: { ...noChanges, update: 1 },
			outputs: null,
			plan: [server],
		}),
	});
	assert.equal(await attempt(installation, world, operation.id), "final");
	assert.deepEqual(world.calls, ["preview", "close"]);
	const [run] = world.runs;
	assert.equal(run?.input.release.name, "0.6.1");
	assert.equal(run?.input.size, "ha");
	assert.equal(run?.input.revision, 2);
	assert.notEqual(run?.place, run?.stack);

	const { result, expiresAt, wish, desiredRevision } = await findResult(
		operation.id,
	);
	assert.deepEqual(
		result?.processes.map(({ name, image }) => [name, image]),
		[["server", { from: "a:1", to: "a:2" }]],
	);
	assert.ok(expiresAt !== null && expiresAt > new Date());
	// What was wished for is sealed, and not kept longer than it is needed.
	assert.equal(wish, null);
	assert.equal(desiredRevision, 1);
	const ended = await find(operation.id);
	assert.equal(ended.state, "succeeded");
	assert.deepEqual(ended.changes, noChanges);
	assert.deepEqual(await load(environment.id), environment);
	assert.equal((await listRevisions(database.db, environment.id)).length, 1);
	const events = await listEvents(
		database.db,
		{ operation: operation.id, environment: environment.id },
		{ after: 0, limit: 100 },
	);
	assert.ok(events.some(({ type }) => type === "preview.completed"));
	assert.ok(!events.some(({ type }) => type.startsWith("resource.")));
});

test("it runs beside a running operation, and neither waits for the other", async () => {
	const environment = await givenReady();
	const moving = await upgrade(environment, "0.6.1");
	const stop = new AbortController();
	let isUp = false;
	const running = attempt(
		installation,
		makeScriptedWorld({
			up: ({ signal }) => {
				isUp = true;
				return hang(signal);
			},
		}),
		moving.id,
		{ stopping: stop.signal },
	);
	await until("the upgrade runs", async () => isUp || undefined);
	const before = await load(environment.id);
	const operation = await preview(environment, { destroy: {} });
	const next = await upgrade(environment, "0.6.2");
	assert.equal((await findQueuePlace(database.db, operation)).waitingFor, null);
	// It stands in nobody's line.
	const behind = await findQueuePlace(database.db, next);
	assert.deepEqual([behind.position, behind.waitingFor], [1, moving.id]);
	assert.equal(
		(await listCurrentOperations(database.db, [environment.id])).get(
			environment.id,
		),
		moving.id,
	);
	assert.equal(await work(operation.id), "final");
	assert.equal((await find(operation.id)).state, "succeeded");
	assert.equal((await find(moving.id)).state, "running");
	assert.equal((await load(environment.id)).lifecycle, before.lifecycle);
	stop.abort();
	assert.equal(await running, "postponed");
});

test("one that waits or runs is in nobody's way", async () => {
	const environment = await givenReady();
	const operation = await preview(environment, {
		upgrade: { release: "0.6.1" },
	});
	const next = await upgrade(environment, "0.6.1");
	assert.equal(await work(next.id), "final");
	assert.equal((await find(operation.id)).state, "queued");
	assert.equal((await load(environment.id)).lifecycle, "ready");
});

test("a message that was lost is sent again, also behind an operation that runs", async () => {
	const environment = await givenReady();
	await upgrade(environment, "0.6.1");
	const operation = await preview(environment, { destroy: {} });
	await database.db
		.updateTable("operations")
		.set({ enqueued_at: new Date(0), created_at: new Date(0) })
		.where("id", "=", operation.id)
		.execute();
	const forgotten = await takeForgotten(database.db, {
		afterMs: 10_000,
		atLeastEveryMs: 60_000,
		limit: 100,
	});
	assert.ok(forgotten.some(({ id }) => id === operation.id));
});

test("its failure, its cancellation and its loss leave the environment as it is", async () => {
	const environment = await givenReady();
	const failing = await preview(environment, { destroy: {} });
	const broken = new Failure({ code: "engine_failed", message: "It broke." });
	await work(failing.id, { previewDestroy: () => Promise.reject(broken) });
	assert.equal((await find(failing.id)).state, "failed");
	assert.deepEqual(await load(environment.id), environment);
	await assert.rejects(
		retryOperation(installation, actor, await find(failing.id)),
		/is a preview/,
	);

	const cancelled = await preview(environment, { destroy: {} });
	const running = work(cancelled.id, {
		previewDestroy: ({ signal }) => hang(signal),
	});
	await until("it runs", async () => {
		const { phase } = await find(cancelled.id);
		return phase === "previewing" || undefined;
	});
	await cancelOperation(installation, actor, await find(cancelled.id));
	assert.equal(await running, "final");
	const ended = await find(cancelled.id);
	assert.equal(ended.state, "cancelled");
	assert.equal(ended.error?.untouched, "Nothing was changed.");
	assert.deepEqual(await load(environment.id), environment);

	const lost = await preview(environment, { destroy: {} });
	await database.db
		.updateTable("operations")
		.set({ created_at: new Date(0) })
		.where("id", "=", lost.id)
		.execute();
	await sweep({ ...installation, log: silentLog });
	assert.equal((await find(lost.id)).state, "timed_out");
	assert.deepEqual(await load(environment.id), environment);
	for (const { id } of [failing, cancelled, lost])
		assert.equal((await findResult(id)).wish, null);
});

test("what the verb refuses its preview refuses, in the same words", async () => {
	const environment = await givenReady();
	for (const change of [
		{ release: "9.9.9" },
		{ parameters: { storage: { mongodb: "1Gi" } } },
	]) {
		const message = async (order: Promise<unknown>) => {
			const error = await order.then(
				() => assert.fail("it was taken"),
				(failure: unknown) => failure,
			);
			assert.ok(error instanceof Failure);
			return [error.code, error.message, error.errors];
		};
		assert.deepEqual(
			await message(preview(environment, { upgrade: change })),
			await message(
				upgradeEnvironment(installation, actor, {
					environment,
					change: previewedOrder.parse({ upgrade: change }).upgrade ?? {},
				}),
			),
		);
	}
	const wanted = previewedOrder.parse({ upgrade: { release: "0.6.0" } });
	const { nothingToDo } = loadUnneeded(
		await previewOrder(installation, actor, { environment, order: wanted }),
	);
	assert.match(nothingToDo, /nothing to change/);
	const gone = await destroyEnvironment(installation, actor, environment);
	await work(gone.id);
	await assert.rejects(preview(environment, { destroy: {} }), /is destroyed/);
});
