import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Failure } from "../../src/failure.ts";
import { destroyEnvironment } from "../../src/operations/destroy.ts";
import {
	findEnvironment,
	loadEnvironment,
} from "../../src/store/environments.ts";
import { listEvents } from "../../src/store/events.ts";
import { findOperation } from "../../src/store/operations.ts";
import { listSealedSecrets } from "../../src/store/secrets.ts";
import { attempt } from "../support/attempt.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { makeScriptedWorld } from "../support/engine.ts";
import {
	givenActor,
	givenInstallation,
	givenOrder,
	type Installation,
} from "../support/given.ts";
import { until } from "../support/until.ts";

let database: TestDatabase;
let installation: Installation;
before(async () => {
	database = await createTestDatabase();
	installation = await givenInstallation(database.db);
});
after(() => database.close());

async function givenEnvironment(name: string, state: "queued" | "ready") {
	const { actor } = await givenActor(database.db, "acme");
	const create = await givenOrder(installation, actor, name);
	if (state === "ready")
		await attempt(installation, makeScriptedWorld(), create.id);
	const environment = await loadEnvironment(database.db, create.environment);
	return { actor, create, environment };
}

test("a destroyed environment keeps its history, loses its secrets and frees its name", async () => {
	const { actor, environment } = await givenEnvironment("gone", "ready");
	const order = await destroyEnvironment(installation, actor, environment);
	assert.equal(
		(await loadEnvironment(database.db, environment.id)).lifecycle,
		"destroying",
	);
	const world = makeScriptedWorld();
	assert.equal(await attempt(installation, world, order.id), "final");
	assert.deepEqual(world.calls, ["destroy", "gone", "close"]);

	const after = await loadEnvironment(database.db, environment.id);
	assert.deepEqual(
		[after.lifecycle, after.revision, after.endpoints],
		["destroyed", null, null],
	);
	assert.equal((await listSealedSecrets(database.db, environment.id)).size, 0);
	const events = await listEvents(
		database.db,
		{ environment: environment.id },
		{ after: 0, limit: 100 },
	);
	assert.deepEqual(
		events.slice(-2).map((event) => event.type),
		["environment.destroyed", "operation.succeeded"],
	);
	const byName = {
		idOrName: "gone",
		scope: actor.tenant.id,
		tenant: actor.tenant.id,
	};
	assert.equal(await findEnvironment(database.db, byName), undefined);
	await givenOrder(installation, actor, "gone");
	assert.notEqual(
		(await findEnvironment(database.db, byName))?.id,
		environment.id,
	);
});

test("asked twice, it is the same operation", async () => {
	const { actor, environment } = await givenEnvironment("twice", "ready");
	const orders = await Promise.all(
		Array.from({ length: 5 }, () =>
			destroyEnvironment(installation, actor, environment),
		),
	);
	assert.equal(new Set(orders.map((order) => order.id)).size, 1);
});

test("a destroyed environment cannot be destroyed", async () => {
	const { actor, environment } = await givenEnvironment("over", "ready");
	const order = await destroyEnvironment(installation, actor, environment);
	await attempt(installation, makeScriptedWorld(), order.id);
	await assert.rejects(
		destroyEnvironment(installation, actor, environment),
		(error) => {
			assert.ok(error instanceof Failure);
			assert.equal(error.code, "conflict");
			return true;
		},
	);
});

test("an order that has not begun is superseded", async () => {
	const { actor, create, environment } = await givenEnvironment(
		"unbegun",
		"queued",
	);
	const order = await destroyEnvironment(installation, actor, environment);
	assert.equal(
		(await findOperation(database.db, create.id, undefined))?.state,
		"superseded",
	);
	assert.equal(
		await attempt(installation, makeScriptedWorld(), create.id),
		"nothing",
	);
	assert.equal(
		await attempt(installation, makeScriptedWorld(), order.id),
		"final",
	);
	assert.equal(
		(await loadEnvironment(database.db, environment.id)).lifecycle,
		"destroyed",
	);
});

test("ordered while a create runs, it waits its turn and is not forgotten by the create's end", async () => {
	const { actor, create, environment } = await givenEnvironment(
		"busy",
		"queued",
	);
	let finish = () => {};
	const held = new Promise<void>((fulfil) => {
		finish = fulfil;
	});
	const world = makeScriptedWorld({ ready: () => held });
	const running = attempt(installation, world, create.id);
	await until("the create runs", () => world.calls.includes("ready"));
	const order = await destroyEnvironment(installation, actor, environment);
	assert.equal(
		await attempt(installation, makeScriptedWorld(), order.id),
		"nothing",
	);
	finish();
	assert.equal(await running, "final");
	assert.equal(
		(await loadEnvironment(database.db, environment.id)).lifecycle,
		"destroying",
	);
	assert.equal(
		await attempt(installation, makeScriptedWorld(), order.id),
		"final",
	);
	assert.equal(
		(await loadEnvironment(database.db, environment.id)).lifecycle,
		"destroyed",
	);
});

test("a destroy that fails leaves a failed environment that can be destroyed again", async () => {
	const { actor, environment } = await givenEnvironment("clinging", "ready");
	const order = await destroyEnvironment(installation, actor, environment);
	const refused = new Failure({
		code: "conflict",
		message: "The namespace belongs to somebody else.",
	});
	await attempt(
		installation,
		makeScriptedWorld({ gone: () => Promise.reject(refused) }),
		order.id,
	);
	assert.equal(
		(await loadEnvironment(database.db, environment.id)).lifecycle,
		"failed",
	);
	assert.equal((await listSealedSecrets(database.db, environment.id)).size, 12);
	const again = await destroyEnvironment(installation, actor, environment);
	assert.notEqual(again.id, order.id);
	assert.equal(
		await attempt(installation, makeScriptedWorld(), again.id),
		"final",
	);
	assert.equal(
		(await loadEnvironment(database.db, environment.id)).lifecycle,
		"destroyed",
	);
});
