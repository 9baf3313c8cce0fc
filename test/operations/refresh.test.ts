// The verb `refresh`: when it may be ordered, what it leaves of an environment, and when it is ordered by itself.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { DriftItem } from "../../src/domain/drift.ts";
import { type Lifecycle, lifecycles } from "../../src/domain/environment.ts";
import type { EnvironmentId, OperationId } from "../../src/domain/ids.ts";
import type { Actor } from "../../src/domain/tenant.ts";
import { Failure } from "../../src/failure.ts";
import { orderDriftLooks } from "../../src/operations/drift-schedule.ts";
import { refreshEnvironment } from "../../src/operations/refresh.ts";
import {
	describeEnvironment,
	loadEnvironment,
	updateEnvironment,
} from "../../src/store/environments.ts";
import { listEvents } from "../../src/store/events.ts";
import { findOperation } from "../../src/store/operations.ts";
import { attempt } from "../support/attempt.ts";
import { readOwnActs } from "../support/audit.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { makeScriptedWorld, type Script } from "../support/engine.ts";
import {
	givenActor,
	givenInstallation,
	givenOrder,
	type Installation,
} from "../support/given.ts";

let database: TestDatabase;
let installation: Installation;
let actor: Actor;
before(async () => {
	database = await createTestDatabase();
	installation = await givenInstallation(database.db);
	actor = (await givenActor(database.db, "acme")).actor;
});
after(() => database.close());

const load = (id: EnvironmentId) => loadEnvironment(database.db, id);
const find = async (id: OperationId) => {
	const operation = await findOperation(database.db, id, undefined);
	if (operation === undefined) throw new Error(`there is no ${id}`);
	return operation;
};

let count = 0;
async function givenReady() {
	count += 1;
	const { environment, id } = await givenOrder(
		installation,
		actor,
		`qa-${count}`,
	);
	await attempt(installation, makeScriptedWorld(), id);
	return load(environment);
}

const item = (of: DriftItem["class"], more: object = {}): DriftItem => ({
	kind: "v1/Service",
	name: "data",
	class: of,
	path: "",
	wanted: "present",
	found: null,
	...more,
});

async function refresh(
	environment: { id: EnvironmentId },
	script: Script,
	options: { repair?: boolean; acknowledge?: boolean } = {},
) {
	const { id } = await refreshEnvironment(installation, actor, {
		environment,
		options: { repair: false, acknowledge: false, ...options },
	});
	const world = makeScriptedWorld(script);
	await attempt(installation, world, id);
	return { operation: await find(id), world };
}

const listTypes = async (environment: EnvironmentId, operation: OperationId) =>
	(
		await listEvents(
			database.db,
			{ environment, operation },
			{ after: 0, limit: 100 },
		)
	).map(({ type }) => type);

test("a look tells what differs and touches nothing", async () => {
	const environment = await givenReady();
	const { operation, world } = await refresh(environment, {
		drift: async () => [item("repairable")],
	});
	assert.equal(operation.state, "succeeded");
	assert.deepEqual(world.calls, ["findDrift", "close"]);
	assert.deepEqual([operation.revisionFrom, operation.revisionTo], [1, 1]);
	const now = await load(environment.id);
	assert.deepEqual(now.drift?.items, [item("repairable")]);
	assert.deepEqual([now.lifecycle, now.health], ["ready", "healthy"]);
	const types = await listTypes(environment.id, operation.id);
	assert.ok(types.includes("drift.found"));
});

test("a repair of nothing is over at once", async () => {
	const environment = await givenReady();
	const { operation, world } = await refresh(environment, {}, { repair: true });
	assert.equal(operation.state, "succeeded");
	assert.deepEqual(world.calls, ["findDrift", "close"]);
});

test("a repair runs the engine, waits, verifies, and tells what is left", async () => {
	const environment = await givenReady();
	const looks = [[item("repairable"), item("cosmetic")], [item("cosmetic")]];
	const { operation, world } = await refresh(
		environment,
		{ drift: async () => looks.shift() ?? [] },
		{ repair: true },
	);
	assert.equal(operation.state, "succeeded");
	assert.deepEqual(world.calls, [
		"findDrift",
		"removeAdditions",
		"up",
		"findDrift",
		"ready",
		"verify",
		"close",
	]);
	assert.equal(world.runs[0]?.refresh, true);
	assert.deepEqual((await load(environment.id)).drift?.items, [
		item("cosmetic"),
	]);
});

test("a repair of what is dangerous is refused, and done for whoever knows", async () => {
	const environment = await givenReady();
	const drift = async () => [item("dangerous", { kind: "v1/Secret" })];
	const { operation, world } = await refresh(
		environment,
		{ drift },
		{ repair: true },
	);
	assert.equal(operation.state, "failed");
	assert.equal(operation.error?.code, "conflict");
	assert.ok(!world.calls.includes("up"));
	const now = await load(environment.id);
	assert.deepEqual([now.lifecycle, now.health], ["ready", "healthy"]);
	assert.equal(now.drift?.items.length, 1);

	const known = await refresh(
		environment,
		{ drift },
		{ repair: true, acknowledge: true },
	);
	assert.equal(known.operation.state, "succeeded");
	assert.ok(known.world.calls.includes("up"));
});

test("a repair that fails leaves the environment ready", async () => {
	const environment = await givenReady();
	const { operation } = await refresh(
		environment,
		{
			drift: async () => [item("repairable")],
			up: () =>
				Promise.reject(new Failure({ code: "engine_failed", message: "No." })),
		},
		{ repair: true },
	);
	assert.equal(operation.state, "failed");
	assert.equal((await load(environment.id)).lifecycle, "ready");
});

test("asked for twice it is one look, and a repair is another", async () => {
	const environment = await givenReady();
	const order = (repair: boolean) =>
		refreshEnvironment(installation, actor, {
			environment,
			options: { repair, acknowledge: false },
		});
	const [first, second, repair] = [
		await order(false),
		await order(false),
		await order(true),
	];
	assert.equal(first.id, second.id);
	assert.notEqual(first.id, repair.id);
	for (const { id } of [first, repair])
		await attempt(installation, makeScriptedWorld(), id);
});

test("only what is ready can be compared, and each other state says why not", async () => {
	const environment = await givenReady();
	for (const lifecycle of lifecycles.filter((one) => one !== "ready")) {
		await updateEnvironment(database.db, environment.id, {
			lifecycle: lifecycle satisfies Lifecycle,
		});
		await assert.rejects(
			refresh(environment, {}),
			(error) =>
				error instanceof Failure &&
				error.code === "conflict" &&
				error.message.length > 10,
			lifecycle,
		);
	}
	await updateEnvironment(database.db, environment.id, { lifecycle: "ready" });
});

const age = (id: EnvironmentId) =>
	database.db
		.updateTable("environments")
		.set({ created_at: new Date(0), drift_checked_at: new Date(0) })
		.where("id", "=", id)
		.execute();

test("what was not looked at for long is looked at, once, as its owner wished, and never before an order", async () => {
	const [report, repair, young] = [
		await givenReady(),
		await givenReady(),
		await givenReady(),
	];
	await describeEnvironment(database.db, repair.id, { onDrift: "repair" });
	await age(report.id);
	await age(repair.id);
	const waiting = await givenOrder(installation, actor, "waiting");
	assert.deepEqual(await orderDriftLooks(installation), []);
	await attempt(installation, makeScriptedWorld(), waiting.id);

	const ordered = await orderDriftLooks(installation);
	assert.deepEqual(
		ordered
			.map(({ environment, options, requestedBy }) => [
				environment,
				options.repair,
				requestedBy,
			])
			.toSorted(),
		[
			[report.id, false, "impresario"],
			[repair.id, true, "impresario"],
		].toSorted(),
	);
	assert.deepEqual(await readOwnActs(database.db, report.id), []);
	assert.deepEqual(
		(await readOwnActs(database.db, repair.id)).map(([action]) => action),
		["service.refresh"],
	);
	for (const { id } of ordered)
		await attempt(installation, makeScriptedWorld(), id);
	assert.deepEqual(await orderDriftLooks(installation), []);
	assert.equal((await load(young.id)).drift, null);
	assert.notEqual((await load(report.id)).drift, null);
});
