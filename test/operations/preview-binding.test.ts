// An order that is bound to a preview is refused when anything moved that the preview was worked out from.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { sql } from "kysely";
import type { Environment } from "../../src/domain/environment.ts";
import { previewedOrder } from "../../src/domain/preview.ts";
import { upstreamRelease } from "../../src/domain/release.ts";
import {
	type EnvironmentChange,
	environmentSpec,
} from "../../src/domain/spec.ts";
import type { Actor } from "../../src/domain/tenant.ts";
import { Failure } from "../../src/failure.ts";
import { createEnvironment } from "../../src/operations/create.ts";
import { placeOrder } from "../../src/operations/place-order.ts";
import { previewOrder } from "../../src/operations/preview.ts";
import { upgradeEnvironment } from "../../src/operations/upgrade.ts";
import { loadEnvironment } from "../../src/store/environments.ts";
import { findOperation } from "../../src/store/operations.ts";
import { createRelease } from "../../src/store/releases.ts";
import { listRevisions } from "../../src/store/revisions.ts";
import { attempt } from "../support/attempt.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { makeScriptedWorld } from "../support/engine.ts";
import {
	givenActor,
	givenInstallation,
	type Installation,
} from "../support/given.ts";
import { loadOrdered } from "../support/ordered.ts";

const one = `sha256:${"1".repeat(64)}`;
const two = `sha256:${"2".repeat(64)}`;
let database: TestDatabase;
let installation: Installation;
let actor: Actor;
before(async () => {
	database = await createTestDatabase();
	installation = await givenInstallation(database.db);
	actor = (await givenActor(database.db, "acme")).actor;
	for (const name of ["0.6.1", "0.6.2"])
		await createRelease(database.db, upstreamRelease(name, "0.15.0"));
	await sql`
		insert into bundles (digest, content) values (${one}, 'one'), (${two}, 'two')`.execute(
		database.db,
	);
});
after(() => database.close());

const work = (id: Parameters<typeof attempt>[2]) =>
	attempt(installation, makeScriptedWorld(), id);

let count = 0;
/** One that is ready, with a state of the engine's. */
async function givenReady(): Promise<Environment> {
	const create = await createEnvironment(
		installation,
		actor,
		environmentSpec.parse({ name: `env-${count++}` }),
	);
	assert.equal(await work(create.id), "final");
	await sql`
		insert into stacks (project, name, environment_id, data_key)
		values ('impresario-maestro', ${create.environment}, ${create.environment}, ''::bytea)`.execute(
		database.db,
	);
	await givenState(create.environment, 1);
	return loadEnvironment(database.db, create.environment);
}
const givenState = (environment: string, version: number) =>
	sql`insert into checkpoints (stack_id, version, schema_version, deployment, resource_count)
		select id, ${version}, 3, '{}', 0 from stacks where environment_id = ${environment}`.execute(
		database.db,
	);

const change: EnvironmentChange = { release: "0.6.1", size: "ha" };

/** The id of a preview that has its result. */
async function givenPreview(
	environment: Environment,
	order: object = { upgrade: change },
): Promise<string> {
	const { id } = loadOrdered(
		await previewOrder(installation, actor, {
			environment,
			order: previewedOrder.parse(order),
		}),
	);
	assert.equal(await work(id), "final");
	const operation = await findOperation(database.db, id, undefined);
	assert.equal(operation?.state, "succeeded");
	return operation?.options.preview ?? "";
}

const place = async (
	environment: Environment,
	previewId: string,
	order: object,
) =>
	loadOrdered(
		await placeOrder(installation, actor, {
			environment,
			order: previewedOrder.parse(order),
			previewId,
		}),
	);
const upgrade = (
	environment: Environment,
	previewId: string,
	other: EnvironmentChange = change,
) => place(environment, previewId, { upgrade: other });

/** That it is refused because of this, and that nothing was ordered. */
async function refused(
	order: () => Promise<unknown>,
	environment: Environment,
	moved: string,
): Promise<void> {
	const { length } = await listRevisions(database.db, environment.id);
	await assert.rejects(order(), (error: unknown) => {
		assert.ok(error instanceof Failure, String(error));
		assert.equal(error.code, "conflict", error.message);
		assert.deepEqual(error.errors, [
			{ pointer: "/previewId", message: `moved: ${moved}` },
		]);
		assert.equal(error.untouched, "Nothing was ordered.");
		return true;
	});
	const after = await listRevisions(database.db, environment.id);
	assert.equal(after.length, length);
}

test("an order is taken as it was previewed, and says by which preview, whatever the order of its keys", async () => {
	const environment = await givenReady();
	const previewId = await givenPreview(environment);
	const { options } = await upgrade(environment, previewId, {
		size: "ha",
		release: "0.6.1",
	});
	assert.equal(options.preview, previewId);
});

test("a destroy may be bound, too", async () => {
	const environment = await givenReady();
	const previewId = await givenPreview(environment, { destroy: {} });
	await refused(
		() => place(environment, previewId, { destroy: { keepBackups: true } }),
		environment,
		"order",
	);
	const { options } = await place(environment, previewId, { destroy: {} });
	assert.equal(options.preview, previewId);
});

test("the environment has moved: another revision is wished for, or its lifecycle is another", async () => {
	const environment = await givenReady();
	const previewId = await givenPreview(environment);
	const other = loadOrdered(
		await upgradeEnvironment(installation, actor, {
			environment,
			change: { release: "0.6.2" },
		}),
	);
	await refused(
		() => upgrade(environment, previewId),
		environment,
		"environment",
	);
	assert.equal(await work(other.id), "final");
	await refused(
		() => upgrade(environment, previewId),
		environment,
		"environment",
	);

	const second = await givenReady();
	const secondId = await givenPreview(second);
	await database.db
		.updateTable("environments")
		.set({ lifecycle: "failed" })
		.where("id", "=", second.id)
		.execute();
	await refused(() => upgrade(second, secondId), second, "environment");
});

test("the inputs have moved: another order, or another verb", async () => {
	const environment = await givenReady();
	const previewId = await givenPreview(environment);
	for (const other of [
		{ release: "0.6.1" },
		{ ...change, release: "0.6.2" },
		{ ...change, parameters: { theme: "dark" as const } },
	]) {
		await refused(
			() => upgrade(environment, previewId, other),
			environment,
			"order",
		);
	}
	await refused(
		() => place(environment, previewId, { destroy: {} }),
		environment,
		"order",
	);
});

test("the program has moved: its version has another digest", async () => {
	const setDigest = (digest: string) =>
		sql`insert into blueprints (name, version, digest)
			select 'maestro', max(blueprint_version), ${digest} from revisions
			on conflict (name, version) do update set digest = excluded.digest`.execute(
			database.db,
		);
	const environment = await givenReady();
	await setDigest(one);
	const previewId = await givenPreview(environment);
	await setDigest(two);
	await refused(() => upgrade(environment, previewId), environment, "program");
	await setDigest(one);
	await upgrade(environment, previewId);
	await sql`delete from blueprints`.execute(database.db);
});

test("the state has moved: it has another number, or something moves it", async () => {
	const environment = await givenReady();
	const previewId = await givenPreview(environment);
	await sql`
		insert into updates (id, stack_id, kind, is_dry_run, state, requested_by, message, environment, config, client_version)
		select 'by-hand', id, 'update', false, 'running', 'an operator', '', '{}', '{}', ''
		from stacks where environment_id = ${environment.id}`.execute(database.db);
	await refused(() => upgrade(environment, previewId), environment, "state");
	await sql`delete from updates where id = 'by-hand'`.execute(database.db);
	await givenState(environment.id, 2);
	await refused(() => upgrade(environment, previewId), environment, "state");
});

test("a preview that has expired, has no result or is of another environment binds nothing", async () => {
	const environment = await givenReady();
	const previewId = await givenPreview(environment);
	const foreign = await givenPreview(await givenReady());
	for (const id of [foreign, "pre_00000000000000000000"])
		await refused(() => upgrade(environment, id), environment, "preview");
	const { options } = loadOrdered(
		await previewOrder(installation, actor, {
			environment,
			order: previewedOrder.parse({ upgrade: change }),
		}),
	);
	await refused(
		() => upgrade(environment, options.preview ?? ""),
		environment,
		"preview",
	);
	await database.db
		.updateTable("previews")
		.set({ expires_at: new Date(Date.now() - 1_000) })
		.where("id", "=", previewId as NonNullable<typeof options.preview>)
		.execute();
	await refused(() => upgrade(environment, previewId), environment, "preview");
});
