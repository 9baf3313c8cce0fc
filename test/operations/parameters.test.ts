// The parameters of an order: kept in two halves, given to the program whole.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { environmentSpec } from "../../src/domain/spec.ts";
import { createEnvironment } from "../../src/operations/create.ts";
import { loadParameters } from "../../src/operations/parameters.ts";
import { listEvents } from "../../src/store/events.ts";
import { loadRevision } from "../../src/store/revisions.ts";
import { listSealedSecrets } from "../../src/store/secrets.ts";
import { attempt } from "../support/attempt.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { makeScriptedWorld } from "../support/engine.ts";
import {
	givenActor,
	givenInstallation,
	type Installation,
} from "../support/given.ts";

let database: TestDatabase;
let installation: Installation;
before(async () => {
	database = await createTestDatabase();
	installation = await givenInstallation(database.db);
});
after(() => database.close());

const wish = {
	theme: "wine",
	smtp: {
		host: "smtp.example.test",
		sender: "maestro@example.test",
		username: "maestro",
		password: "planted-password",
	},
	external: {
		mongodb: "mongodb://u:planted-mongodb@db.example.test",
		rabbitmq: "amqp://u:planted-broker@mq.example.test",
	},
};

async function order(name: string, parameters: unknown) {
	const { actor } = await givenActor(database.db, "acme");
	const spec = environmentSpec.parse({ name, parameters });
	return { spec, ...(await createEnvironment(installation, actor, spec)) };
}

test("the program gets what was asked for, secrets included, at every attempt", async () => {
	const { id, spec } = await order("whole", wish);
	const world = makeScriptedWorld();
	assert.equal(await attempt(installation, world, id), "final");
	assert.deepEqual(world.runs[0]?.input.parameters, spec.parameters);
});

test("an order that sets nothing gives the program the defaults", async () => {
	const { id, spec } = await order("defaults", undefined);
	const world = makeScriptedWorld();
	await attempt(installation, world, id);
	assert.deepEqual(world.runs[0]?.input.parameters, spec.parameters);
	assert.equal(spec.parameters.theme, "lotus");
});

test("no secret is in a plain column or an event, whatever the table", async () => {
	const { environment } = await order("searched", wish);
	const { db } = database;
	const rows = JSON.stringify([
		await loadRevision(db, environment, 1),
		await db.selectFrom("environments").selectAll().execute(),
		await db.selectFrom("operations").selectAll().execute(),
		await listEvents(db, { environment }, { after: 0, limit: 1000 }),
	]);
	assert.doesNotMatch(rows, /planted/);
	for (const value of (await listSealedSecrets(db, environment)).values())
		assert.doesNotMatch(value.toString("latin1"), /planted/);
});

test("the secrets are sealed in the name of their revision", async () => {
	const { environment } = await order("sealed", wish);
	const names = [...(await listSealedSecrets(database.db, environment)).keys()];
	assert.deepEqual(
		names.filter((name) => name.startsWith("revision/")).sort(),
		[
			"revision/1/external/mongodb",
			"revision/1/external/rabbitmq",
			"revision/1/smtp/password",
		],
	);
});

test("a revision from before there were parameters has the defaults", async () => {
	const { environment } = await order("old", wish);
	await database.db
		.updateTable("revisions")
		.set({ parameters: "{}" })
		.where("environment_id", "=", environment)
		.execute();
	await database.db
		.deleteFrom("secrets")
		.where("environment_id", "=", environment)
		.execute();
	const revision = await loadRevision(database.db, environment, 1);
	assert.deepEqual(
		await loadParameters(installation, environment, revision),
		environmentSpec.parse({ name: "x" }).parameters,
	);
});
