// What follows from an upgrade that failed: the service takes it back by itself, once, and both operations say so.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Environment, Lifecycle } from "../../src/domain/environment.ts";
import type { OperationId } from "../../src/domain/ids.ts";
import { maxAttempts, type Operation } from "../../src/domain/operation.ts";
import { upstreamRelease } from "../../src/domain/release.ts";
import {
	type EnvironmentChange,
	environmentSpec,
} from "../../src/domain/spec.ts";
import type { Actor } from "../../src/domain/tenant.ts";
import { Failure } from "../../src/failure.ts";
import { cancelOperation } from "../../src/operations/cancel.ts";
import { createEnvironment } from "../../src/operations/create.ts";
import { destroyEnvironment } from "../../src/operations/destroy.ts";
import { retryOperation } from "../../src/operations/retry.ts";
import { sweep } from "../../src/operations/sweep.ts";
import { upgradeEnvironment } from "../../src/operations/upgrade.ts";
import { loadEnvironment } from "../../src/store/environments.ts";
import { listEvents } from "../../src/store/events.ts";
import { findOperation, listOperations } from "../../src/store/operations.ts";
import { createRelease } from "../../src/store/releases.ts";
import { loadRevision } from "../../src/store/revisions.ts";
import { attempt } from "../support/attempt.ts";
import { readOwnActs } from "../support/audit.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { hang, makeScriptedWorld, type Script } from "../support/engine.ts";
import {
	givenActor,
	givenInstallation,
	type Installation,
	silentLog,
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
const work = (id: OperationId, script: Script = {}) =>
	attempt(installation, makeScriptedWorld(script), id);
const list = (id: Environment["id"]) =>
	listOperations(database.db, id, { limit: 50 });
const readEvents = async ({ id, environment }: Operation) =>
	listEvents(
		database.db,
		{ operation: id, environment },
		{ after: 0, limit: 100 },
	);

let count = 0;
/** One that is ready, at revision 1. */
async function givenReady(): Promise<Environment> {
	const create = await createEnvironment(
		installation,
		actor,
		environmentSpec.parse({ name: `env-${count++}` }),
	);
	assert.equal(await work(create.id), "final");
	return load(create.environment);
}
const upgrade = async (
	environment: Environment,
	change: EnvironmentChange = { release: "0.6.1" },
	onFailure: "rollback" | "keep" = "rollback",
) =>
	loadOrdered(
		await upgradeEnvironment(installation, actor, {
			environment,
			change,
			options: { onFailure },
		}),
	);
/** The operation that the service ordered because of this one. */
async function findRollback({ id, environment }: Operation) {
	const all = await list(environment);
	return all.find(({ causedBy }) => causedBy === id);
}
const isLike = async (
	id: Environment["id"],
	state: readonly [Lifecycle, revision: number, desired: number],
) => {
	const { lifecycle, revision, desiredRevision } = await load(id);
	assert.deepEqual([lifecycle, revision, desiredRevision], state);
};

const stuck = new Failure({
	code: "workload_stuck",
	message: "Deployment audit: ImagePullBackOff.",
	advice: "Correct the image.",
});
const stages: Script["up"] = async ({ onStage }) => {
	await onStage?.({ name: "stores", workloads: [] });
	return undefined;
};
const endings: readonly (readonly [phase: string, script: Script])[] = [
	["applying", { up: () => Promise.reject(stuck) }],
	["applying", { up: stages, rolledOut: () => Promise.reject(stuck) }],
	["waiting", { ready: () => Promise.reject(stuck) }],
	["verifying", { verify: () => Promise.reject(stuck) }],
];
for (const [index, [phase, script]] of endings.entries())
	test(`an upgrade that fails while ${phase} is taken back, and both say so (${index})`, async () => {
		const environment = await givenReady();
		const ordered = await upgrade(environment);
		assert.equal(await work(ordered.id, script), "final");
		const failed = await find(ordered.id);
		assert.equal(failed.state, "failed");
		assert.equal(failed.phases.at(-1)?.name, phase);
		await isLike(environment.id, ["rolling_back", 1, 3]);

		const rollback = await findRollback(failed);
		assert.ok(rollback !== undefined);
		assert.equal(rollback.kind, "rollback");
		assert.equal(rollback.state, "queued");
		assert.equal(rollback.requestedBy, "service");
		assert.deepEqual(rollback.options, { data: "keep", backup: "skip" });
		assert.deepEqual(await readOwnActs(database.db, environment.id), [
			["service.rollback", "service", rollback.id],
		]);
		assert.deepEqual([rollback.revisionFrom, rollback.revisionTo], [1, 3]);
		const { release, basedOn } = await loadRevision(
			database.db,
			environment.id,
			3,
		);
		assert.deepEqual([release.name, basedOn], ["0.6.0", 1]);

		const advice = `Correct the image. It is rolled back to revision 1 by ${rollback.id}: follow that.`;
		assert.equal(failed.error?.advice, advice);
		const end = (await readEvents(failed)).at(-1);
		assert.equal(end?.type, "operation.failed");
		assert.deepEqual(end?.data, {
			kind: "upgrade",
			error: failed.error,
			rollback: rollback.id,
		});
		const [queued] = await readEvents(rollback);
		assert.equal(queued?.type, "operation.queued");
		assert.deepEqual(queued?.data, { kind: "rollback", causedBy: failed.id });
		// The one ends before the other is ordered.
		assert.ok((end?.id ?? 0) < (queued?.id ?? 0));

		await work(rollback.id);
		assert.equal((await find(rollback.id)).state, "succeeded");
		await isLike(environment.id, ["ready", 3, 3]);
		assert.equal((await load(environment.id)).health, "healthy");
	});

test("one that is over its time is taken back as well", async () => {
	const environment = await givenReady();
	await database.db
		.updateTable("targets")
		.set({ settings: JSON.stringify({ deadlines: { waiting: 1 } }) })
		.execute();
	const ordered = await upgrade(environment);
	await work(ordered.id, { ready: ({ signal }) => hang(signal) });
	await database.db
		.updateTable("targets")
		.set({ settings: JSON.stringify({}) })
		.execute();
	const ended = await find(ordered.id);
	assert.equal(ended.state, "timed_out");
	const rollback = await findRollback(ended);
	assert.ok(rollback !== undefined);
	const end = (await readEvents(ended)).at(-1);
	assert.equal(
		end?.type === "operation.timed_out" && end.data.rollback,
		rollback.id,
	);
	await work(rollback.id);
	await isLike(environment.id, ["ready", 3, 3]);
});

/** As if its worker had died long ago. */
const abandon = (id: OperationId, change: { readonly attempt?: number } = {}) =>
	database.db
		.updateTable("operations")
		.set({
			state: "running",
			attempt: 1,
			phase: "waiting",
			is_touched: true,
			started_at: new Date(Date.now() - 7_200_000),
			lease_expires_at: new Date(Date.now() - 3_600_000),
			deadline_at: new Date(
				Date.now() + (change.attempt === undefined ? -1_000 : 3_600_000),
			),
			...change,
		})
		.where("id", "=", id)
		.execute();
const pass = () => sweep({ ...installation, log: silentLog });

test("one that was abandoned and is over its time is taken back by the sweep that ends it, which sends the rollback at once", async () => {
	const environment = await givenReady();
	const ordered = await upgrade(environment);
	await abandon(ordered.id);
	await pass();
	const ended = await find(ordered.id);
	assert.equal(ended.state, "timed_out");
	const rollback = await findRollback(ended);
	assert.ok(rollback !== undefined);
	assert.match(ended.error?.advice ?? "", new RegExp(`by ${rollback.id}`));
	assert.ok(installation.sent.includes(rollback.id));
	await isLike(environment.id, ["rolling_back", 1, 3]);
	await pass();
	assert.equal((await list(environment.id)).length, 3);
});

test("one that is stalled is not taken back: what is away for it is away for a rollback as well", async () => {
	const environment = await givenReady();
	const away = new Failure({
		code: "unavailable",
		message: "The API server is away.",
		retryable: true,
	});
	const owned = await upgrade(environment);
	await database.db
		.updateTable("operations")
		.set({ attempt: maxAttempts - 1 })
		.where("id", "=", owned.id)
		.execute();
	await work(owned.id, { up: () => Promise.reject(away) });
	assert.equal((await find(owned.id)).state, "stalled");
	await isLike(environment.id, ["failed", 1, 2]);

	const abandoned = await upgrade(environment, { release: "0.6.2" });
	await abandon(abandoned.id, { attempt: maxAttempts });
	await pass();
	assert.equal((await find(abandoned.id)).state, "stalled");
	await isLike(environment.id, ["failed", 1, 3]);
	assert.equal((await list(environment.id)).length, 3);
});

test("one that no worker took, or that somebody cancelled, is not taken back", async () => {
	const environment = await givenReady();
	const expired = await upgrade(environment);
	await database.db
		.updateTable("operations")
		.set({ created_at: new Date(Date.now() - 25 * 3_600_000) })
		.where("id", "=", expired.id)
		.execute();
	await pass();
	assert.equal((await find(expired.id)).state, "timed_out");
	await isLike(environment.id, ["ready", 1, 2]);

	const unwanted = await upgrade(environment);
	const world = makeScriptedWorld({ up: ({ signal }) => hang(signal) });
	const running = attempt(installation, world, unwanted.id);
	await until("the engine runs", () => world.calls.includes("up"));
	await cancelOperation(installation, actor, await find(unwanted.id));
	await running;
	assert.equal((await find(unwanted.id)).state, "cancelled");
	await isLike(environment.id, ["failed", 1, 3]);

	const forsaken = await upgrade(environment);
	await abandon(forsaken.id);
	await database.db
		.updateTable("operations")
		.set({
			state: "cancelling",
			cancel_requested_by: "somebody",
			cancel_requested_at: new Date(),
		})
		.where("id", "=", forsaken.id)
		.execute();
	await pass();
	assert.equal((await find(forsaken.id)).state, "cancelled");
	await isLike(environment.id, ["failed", 1, 4]);
});

test("one that fails before it touched anything leaves the environment as it was, without a rollback", async () => {
	const environment = await givenReady();
	const ordered = loadOrdered(
		await upgradeEnvironment(installation, actor, {
			environment,
			change: { release: "0.6.1" },
			options: { onFailure: "rollback", backup: "required" },
		}),
	);
	const full = new Failure({ code: "backup_failed", message: "No space." });
	await work(ordered.id, { backUp: () => Promise.reject(full) });
	const failed = await find(ordered.id);
	assert.equal(failed.state, "failed");
	assert.equal(failed.error?.code, "backup_failed");
	assert.doesNotMatch(failed.error.advice ?? "", /rolled back/);
	assert.equal(await findRollback(failed), undefined);
	await isLike(environment.id, ["ready", 1, 2]);
});

test("with onFailure: keep it stays as it is, and says what to do", async () => {
	const environment = await givenReady();
	const ordered = await upgrade(environment, { release: "0.6.1" }, "keep");
	await work(ordered.id, { verify: () => Promise.reject(stuck) });
	const { error } = await find(ordered.id);
	assert.match(error?.advice ?? "", /^Correct the image\. Upgrade again/);
	await isLike(environment.id, ["failed", 1, 2]);
	assert.equal((await list(environment.id)).length, 2);
});

test("a rollback that fails is not rolled back again, whoever ordered it", async () => {
	const environment = await givenReady();
	const ordered = await upgrade(environment);
	const broken: Script = { ready: () => Promise.reject(stuck) };
	await work(ordered.id, broken);
	const rollback = await findRollback(ordered);
	assert.ok(rollback !== undefined);
	await work(rollback.id, broken);
	const failed = await find(rollback.id);
	assert.equal(failed.state, "failed");
	assert.match(failed.error?.advice ?? "", /:retry, roll back to another/);
	await isLike(environment.id, ["failed", 1, 3]);

	// Neither is a retry of it, nor one that is abandoned.
	const again = await retryOperation(installation, actor, failed);
	await work(again.id, broken);
	const last = await retryOperation(installation, actor, await find(again.id));
	await abandon(last.id);
	await pass();
	assert.equal((await find(last.id)).state, "timed_out");
	await isLike(environment.id, ["failed", 1, 3]);
	assert.equal((await list(environment.id)).length, 5);
});

for (const [what, order] of [
	["a newer upgrade", (one: Environment) => upgrade(one, { size: "ha" })],
	[
		"a destroy",
		(one: Environment) => destroyEnvironment(installation, actor, one),
	],
] as const)
	test(`${what} that waits goes next instead`, async () => {
		const environment = await givenReady();
		const ordered = await upgrade(environment);
		const held = Promise.withResolvers<void>();
		const world = makeScriptedWorld({ ready: () => held.promise });
		const running = attempt(installation, world, ordered.id);
		await until("it runs", () => world.calls.includes("ready"));
		const next = await order(environment);
		const { lifecycle } = await load(environment.id);
		held.reject(stuck);
		await running;
		const failed = await find(ordered.id);
		assert.equal(
			failed.error?.advice,
			`Correct the image. It is not rolled back, because ${next.id} was ordered meanwhile and goes next.`,
		);
		assert.equal(await findRollback(failed), undefined);
		assert.equal((await load(environment.id)).lifecycle, lifecycle);
		assert.equal(await work(next.id), "final");
	});

test("an upgrade that failed behind another failed one goes back to what was verified last", async () => {
	const environment = await givenReady();
	const first = await upgrade(environment, { release: "0.6.1" }, "keep");
	await work(first.id, { ready: () => Promise.reject(stuck) });
	const second = await upgrade(environment, { release: "0.6.2" });
	await work(second.id, { ready: () => Promise.reject(stuck) });
	const rollback = await findRollback(second);
	assert.equal(rollback?.revisionTo, 4);
	const { release } = await loadRevision(database.db, environment.id, 4);
	assert.equal(release.name, "0.6.0");
});

test("where it cannot be taken back, the error says why and what to do", async () => {
	const environment = await givenReady();
	const ordered = await upgrade(environment, {
		parameters: { storage: { mongodb: "8Gi" } },
	});
	await work(ordered.id, {
		async up({ onEvent }) {
			await onEvent({
				type: "resource.updated",
				data: { kind: "v1/PersistentVolumeClaim", name: "data-mongodb-0" },
			});
			throw stuck;
		},
	});
	const failed = await find(ordered.id);
	assert.match(
		failed.error?.advice ?? "",
		/could not be rolled back by itself: .*must be at least 8Gi.*Upgrade again, to what works/,
	);
	await isLike(environment.id, ["failed", 1, 2]);
	assert.equal((await list(environment.id)).length, 2);
});

test("a rollback by the service can be cancelled before it begins, and the environment is failed then", async () => {
	const environment = await givenReady();
	const ordered = await upgrade(environment);
	await work(ordered.id, { ready: () => Promise.reject(stuck) });
	const rollback = await findRollback(ordered);
	assert.ok(rollback !== undefined);
	await cancelOperation(installation, actor, rollback);
	await isLike(environment.id, ["failed", 1, 3]);
});

test("whoever lost the lease orders no rollback", async () => {
	const environment = await givenReady();
	const ordered = await upgrade(environment);
	const held = Promise.withResolvers<void>();
	const world = makeScriptedWorld({ ready: () => held.promise });
	const running = attempt(installation, world, ordered.id);
	await until("it runs", () => world.calls.includes("ready"));
	await database.db
		.updateTable("operations")
		.set({ fence: 9_999_999, state: "recovering" })
		.where("id", "=", ordered.id)
		.execute();
	held.reject(stuck);
	assert.equal(await running, "lost");
	assert.equal((await find(ordered.id)).state, "recovering");
	assert.equal((await list(environment.id)).length, 2);
	await isLike(environment.id, ["upgrading", 1, 2]);
});
