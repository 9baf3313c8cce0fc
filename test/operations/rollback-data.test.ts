// A rollback that brings the data back: which backup belongs, what is lost by it, and the order of its steps.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Environment } from "../../src/domain/environment.ts";
import { findDataLoss } from "../../src/domain/operation.ts";
import { upstreamRelease } from "../../src/domain/release.ts";
import {
	type EnvironmentChange,
	environmentSpec,
	rollbackOrder,
} from "../../src/domain/spec.ts";
import type { Actor } from "../../src/domain/tenant.ts";
import { Failure } from "../../src/failure.ts";
import { createEnvironment } from "../../src/operations/create.ts";
import { rollbackEnvironment } from "../../src/operations/rollback.ts";
import { upgradeEnvironment } from "../../src/operations/upgrade.ts";
import { listBackups } from "../../src/store/backups.ts";
import { loadEnvironment } from "../../src/store/environments.ts";
import { findOperation } from "../../src/store/operations.ts";
import { createRelease } from "../../src/store/releases.ts";
import { attempt } from "../support/attempt.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import {
	hang,
	makeScriptedWorld,
	type Script,
	scriptedBackup,
} from "../support/engine.ts";
import {
	givenActor,
	givenInstallation,
	type Installation,
} from "../support/given.ts";
import { loadOrdered } from "../support/ordered.ts";
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
/** So that the test's backups are not over their time already. */
const takesBackups = (script: Script = {}): Script => ({
	backUp: async () => ({
		...scriptedBackup,
		takenAt: new Date().toISOString(),
	}),
	...script,
});
const start = (id: Parameters<typeof attempt>[2], script: Script = {}) => {
	const world = makeScriptedWorld(takesBackups(script));
	return { world, end: attempt(installation, world, id) };
};
const work = async (id: Parameters<typeof attempt>[2], script?: Script) => {
	const { world, end } = start(id, script);
	assert.equal(await end, "final");
	return world;
};

let count = 0;
async function givenReady(): Promise<Environment> {
	const create = await createEnvironment(
		installation,
		actor,
		environmentSpec.parse({ name: `env-${count++}` }),
	);
	await work(create.id);
	return load(create.environment);
}
async function upgrade(
	environment: Environment,
	change: EnvironmentChange,
	backup: "required" | "skip" = "required",
): Promise<void> {
	const { id } = loadOrdered(
		await upgradeEnvironment(installation, actor, {
			environment,
			change,
			options: { backup },
		}),
	);
	await work(id);
}
const rollBack = async (environment: Environment, order: object = {}) =>
	loadOrdered(
		await rollbackEnvironment(installation, actor, {
			environment,
			...rollbackOrder.parse({ data: "restore", ...order }),
		}),
	);
const list = (environment: Environment) =>
	listBackups(database.db, environment.id, { limit: 10 });

test("the backup from before the upgrade is checked and restored while nothing runs, and the older program started then", async () => {
	const environment = await givenReady();
	await upgrade(environment, { release: "0.6.1" });
	const [backup] = await list(environment);
	assert.equal(backup?.reason, "before_upgrade");

	const ordered = await rollBack(environment);
	assert.deepEqual(ordered.options, {
		data: "restore",
		backup: "required",
		fromBackup: backup.id,
		dataFrom: backup.takenAt.toISOString(),
	});
	const { calls, runs } = await work(ordered.id);
	assert.deepEqual(
		calls.filter((call) => !call.startsWith("stopped")),
		["check", "backUp", "up", "restore", "up", "ready", "verify", "close"],
	);
	assert.deepEqual(
		runs.map(({ input: { revision, power, release } }) => [
			revision,
			power ?? "on",
			release.name,
		]),
		[
			[2, "quiesced", "0.6.1"],
			[3, "on", "0.6.0"],
		],
	);
	const { lifecycle, revision } = await load(environment.id);
	assert.deepEqual([lifecycle, revision], ["ready", 3]);
	assert.deepEqual(
		(await list(environment)).map(({ reason, revision }) => [reason, revision]),
		[
			["before_rollback", 2],
			["before_upgrade", 1],
		],
	);
});

test("with data: keep nothing is stopped, checked or restored", async () => {
	const environment = await givenReady();
	await upgrade(environment, { release: "0.6.1" });
	const { id } = await rollBack(environment, { data: "keep" });
	const { calls } = await work(id);
	assert.deepEqual(calls, ["backUp", "up", "ready", "verify", "close"]);
	assert.equal(findDataLoss(await find(id), new Date()), null);
});

test("of several revisions each has its own backup", async () => {
	const environment = await givenReady();
	await upgrade(environment, { release: "0.6.1" });
	await upgrade(environment, { release: "0.6.2" });
	const [second, first] = await list(environment);
	assert.deepEqual([second?.revision, first?.revision], [2, 1]);
	const back = await rollBack(environment);
	assert.equal(back.options.fromBackup, second?.id);
	const further = await rollBack(environment, { to: 1 });
	assert.equal(further.options.fromBackup, first?.id);
});

test("the data of before can be had back after a rollback that kept them", async () => {
	const environment = await givenReady();
	await upgrade(environment, { release: "0.6.1" });
	const [backup] = await list(environment);
	await work((await rollBack(environment, { data: "keep" })).id);
	const back = await rollBack(environment);
	assert.equal(back.options.fromBackup, backup?.id);
	assert.deepEqual([back.revisionFrom, back.revisionTo], [3, 4]);
});

const refuses =
	(message: RegExp) =>
	(error: unknown): boolean => {
		assert.ok(error instanceof Failure, String(error));
		assert.equal(error.code, "conflict");
		assert.match(error.message, message);
		assert.equal(error.errors[0]?.pointer, "/data");
		return true;
	};

test("without a backup from before it is refused, with what there is", async () => {
	const bare = await givenReady();
	await upgrade(bare, { release: "0.6.1" }, "skip");
	await assert.rejects(
		rollBack(bare),
		refuses(
			/no backup from when it left revision 1\. There is no backup of it/,
		),
	);
	await upgrade(bare, { release: "0.6.2" });
	const [backup] = await list(bare);
	await assert.rejects(
		rollBack(bare, { to: 1 }),
		refuses(new RegExp(`There are ${backup?.id} \\(of revision 2, taken at 2`)),
	);
	// What is over its time is not there any more.
	await database.db
		.updateTable("backups")
		.set({ expires_at: new Date(0) })
		.where("environment_id", "=", bare.id)
		.execute();
	await assert.rejects(rollBack(bare), refuses(/left revision 2/));
	assert.equal((await load(bare.id)).lifecycle, "ready");
});

test("what runs a program that cannot be stopped part by part is refused, and told to upgrade", async () => {
	const environment = await givenReady();
	await upgrade(environment, { release: "0.6.1" });
	await database.db
		.updateTable("revisions")
		.set({ blueprint_version: "1.0.0" })
		.where("environment_id", "=", environment.id)
		.where("number", "=", 2)
		.execute();
	await assert.rejects(
		rollBack(environment),
		refuses(/maestro@1\.0\.0, which cannot be stopped part by part/),
	);
});

test("the window of data that is lost ends now, until nobody writes any more", async () => {
	const environment = await givenReady();
	await upgrade(environment, { release: "0.6.1" });
	const [backup] = await list(environment);
	const from = backup?.takenAt.toISOString();
	const ordered = await rollBack(environment);
	const now = new Date("2030-01-01T00:00:00Z");
	assert.deepEqual(findDataLoss(ordered, now), { from, to: now.toISOString() });

	const held = Promise.withResolvers<undefined>();
	const { world, end } = start(ordered.id, {
		restore: ({ dryRun }) =>
			dryRun ? Promise.resolve(undefined) : held.promise,
	});
	await until("it restores", () => world.calls.includes("restore"));
	const during = await find(ordered.id);
	const quiesced = during.phases.find(({ name }) => name === "quiescing");
	assert.deepEqual(findDataLoss(during, now), {
		from,
		to: quiesced?.startedAt,
	});
	held.resolve(undefined);
	await end;
	assert.deepEqual(
		findDataLoss(await find(ordered.id), now),
		findDataLoss(during, now),
	);
});

test("one that fails before the data are touched has lost none, and the environment is as it was", async () => {
	const environment = await givenReady();
	await upgrade(environment, { release: "0.6.1" });
	const { id } = await rollBack(environment);
	const damaged = new Failure({ code: "backup_failed", message: "Damaged." });
	await work(id, { restore: () => Promise.reject(damaged) });
	const failed = await find(id);
	assert.equal(failed.state, "failed");
	assert.equal(findDataLoss(failed, new Date()), null);
	const { lifecycle, revision } = await load(environment.id);
	assert.deepEqual([lifecycle, revision], ["ready", 2]);
});

for (const at of ["check", "backUp", "restore", "ready", "verify"] as const)
	test(`a worker that leaves at "${at}" is followed by one that brings it to its end, and the data are restored once`, async () => {
		const environment = await givenReady();
		await upgrade(environment, { release: "0.6.1" });
		const { id } = await rollBack(environment);
		const stop = new AbortController();
		const isHeld = ({ dryRun }: { dryRun?: boolean }) =>
			at === (dryRun ? "check" : "restore");
		const world = makeScriptedWorld(
			takesBackups({
				restore: (request, { signal }) =>
					isHeld(request) ? hang(signal) : Promise.resolve(undefined),
				...(at === "backUp" && { backUp: (_, { signal }) => hang(signal) }),
				...(at === "ready" && { ready: ({ signal }) => hang(signal) }),
				...(at === "verify" && { verify: ({ signal }) => hang(signal) }),
			}),
		);
		const first = attempt(installation, world, id, { stopping: stop.signal });
		await until(`it is at ${at}`, () => world.calls.includes(at));
		stop.abort();
		assert.equal(await first, "postponed");
		const { calls } = await work(id);
		const restored = at !== "ready" && at !== "verify";
		assert.equal(calls.includes("restore"), restored);
		assert.equal((await find(id)).state, "succeeded");
		const { lifecycle, revision } = await load(environment.id);
		assert.deepEqual([lifecycle, revision], ["ready", 3]);
	});
