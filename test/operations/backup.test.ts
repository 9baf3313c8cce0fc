// Backups on demand and before an upgrade: when they are made, how often, and what it means when one cannot be made.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { sql } from "kysely";
import {
	type Lifecycle,
	lifecycles,
	refusal,
} from "../../src/domain/environment.ts";
import type { Actor } from "../../src/domain/tenant.ts";
import { Failure } from "../../src/failure.ts";
import { cancelOperation } from "../../src/operations/cancel.ts";
import { destroyEnvironment } from "../../src/operations/destroy.ts";
import { retryOperation } from "../../src/operations/retry.ts";
import { findBackupBefore } from "../../src/store/backups.ts";
import { loadBegunRevision } from "../../src/store/revisions.ts";
import { attempt } from "../support/attempt.ts";
import { makeKeeper } from "../support/backups.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { hang, makeScriptedWorld } from "../support/engine.ts";
import {
	givenActor,
	givenInstallation,
	type Installation,
} from "../support/given.ts";
import { until } from "../support/until.ts";

let database: TestDatabase;
let installation: Installation;
let actor: Actor;
let keeper: ReturnType<typeof makeKeeper>;
before(async () => {
	database = await createTestDatabase();
	installation = await givenInstallation(database.db);
	actor = (await givenActor(database.db, "acme")).actor;
	keeper = makeKeeper(installation, actor);
});
after(() => database.close());

const fails = async (): Promise<never> => {
	throw new Failure({
		code: "backup_failed",
		message: "The backup of namespace x failed: the disk is full.",
		advice: "Read what the Job wrote.",
	});
};

test("a backup on demand is recorded with what ran, and leaves the environment as it is", async () => {
	const environment = await keeper.givenReady();
	const ordered = await keeper.backUp(environment);
	assert.deepEqual(
		[ordered.kind, ordered.revisionFrom, ordered.revisionTo],
		["backup", 1, 1],
	);
	assert.equal((await keeper.load(environment.id)).lifecycle, "ready");
	const { calls } = await keeper.work(ordered.id);
	assert.deepEqual(calls, ["backUp", "close"]);
	const ended = await keeper.find(ordered.id);
	assert.equal(ended.state, "succeeded");
	assert.deepEqual(
		ended.phases.map(({ name }) => name),
		["preparing", "backing_up", "finishing"],
	);
	const [backup, ...others] = await keeper.list(environment);
	assert.deepEqual(others, []);
	assert.deepEqual(
		[backup?.revision, backup?.release, backup?.reason, backup?.place],
		[1, "0.6.0", "on_demand", "claim"],
	);
	const after = await keeper.load(environment.id);
	assert.deepEqual(
		[after.lifecycle, after.health, after.revision, after.versions],
		["ready", "healthy", 1, environment.versions],
	);
	assert.ok(
		(await keeper.listEventTypes(ordered.id)).includes("backup.completed"),
	);
});

test("asked for again before it has begun it is one backup", async () => {
	const environment = await keeper.givenReady();
	const [one, other] = [
		await keeper.backUp(environment),
		await keeper.backUp(environment),
	];
	assert.equal(one.id, other.id);
});

test("an attempt whose worker leaves is followed by one that asks for the very same backup", async () => {
	const environment = await keeper.givenReady();
	const { id } = await keeper.backUp(environment);
	const stop = new AbortController();
	const runs: string[] = [];
	const world = makeScriptedWorld({
		async backUp({ run }, { signal }) {
			runs.push(run);
			return hang(signal);
		},
	});
	const first = attempt(installation, world, id, { stopping: stop.signal });
	await until("it backs up", () => runs.length === 1);
	stop.abort();
	assert.equal(await first, "postponed");
	await keeper.work(id, {
		async backUp({ run }) {
			runs.push(run);
			return undefined;
		},
	});
	assert.equal((await keeper.find(id)).state, "succeeded");
	assert.equal(new Set(runs).size, 1, runs.join());
	assert.equal((await keeper.list(environment)).length, 1);
});

test("an upgrade makes one before it touches anything, and not again when it is taken over", async () => {
	const environment = await keeper.givenReady();
	const { id } = await keeper.upgrade(environment);
	const stop = new AbortController();
	const world = makeScriptedWorld({ up: ({ signal }) => hang(signal) });
	const first = attempt(installation, world, id, { stopping: stop.signal });
	await until("it applies", () => world.calls.includes("up"));
	stop.abort();
	assert.equal(await first, "postponed");
	assert.deepEqual(world.calls.slice(0, 2), ["backUp", "up"]);
	assert.equal((await keeper.work(id)).calls.includes("backUp"), false);
	assert.equal((await keeper.find(id)).state, "succeeded");
	const found = await findBackupBefore(database.db, environment.id, 1);
	assert.deepEqual(
		[found?.operation, found?.reason, found?.revision],
		[id, "before_upgrade", 1],
	);
	assert.equal(
		await findBackupBefore(database.db, environment.id, 2),
		undefined,
	);
});

test("an upgrade that skips it has no such phase", async () => {
	const environment = await keeper.givenReady();
	const { id } = await keeper.upgrade(environment, "skip");
	assert.equal((await keeper.work(id)).calls.includes("backUp"), false);
	const { phases } = await keeper.find(id);
	assert.ok(!phases.some(({ name }) => name === "backing_up"));
});

test("a backup that fails ends the upgrade with nothing changed; the next one builds on what runs", async () => {
	const environment = await keeper.givenReady();
	const { id } = await keeper.upgrade(environment);
	const { calls } = await keeper.work(id, { backUp: fails });
	assert.deepEqual(calls, ["backUp", "close"]);
	const ended = await keeper.find(id);
	assert.deepEqual([ended.state, ended.phase], ["failed", "backing_up"]);
	assert.equal(ended.error?.code, "backup_failed");
	assert.match(ended.error.message, /did not begin.*the disk is full/);
	assert.match(ended.error.untouched ?? "", /Nothing .* was changed/);
	assert.match(ended.error.advice ?? "", /"backup": "skip"/);
	const after = await keeper.load(environment.id);
	assert.deepEqual(
		[after.lifecycle, after.health, after.revision],
		["ready", "healthy", 1],
	);
	assert.equal(
		(await loadBegunRevision(database.db, environment.id)).number,
		1,
	);
	const next = await keeper.upgrade(environment);
	assert.equal(next.revisionTo, 3);
	await keeper.work(next.id);
	assert.equal((await keeper.load(environment.id)).revision, 3);
});

test("an upgrade whose backup failed can be tried again, and keeps what it chose", async () => {
	const environment = await keeper.givenReady();
	const { id } = await keeper.upgrade(environment);
	await keeper.work(id, { backUp: fails });
	const again = await retryOperation(
		installation,
		actor,
		await keeper.find(id),
	);
	assert.deepEqual(again.options, { backup: "required" });
	const { calls } = await keeper.work(again.id);
	assert.equal(calls[0], "backUp");
	assert.equal((await keeper.load(environment.id)).revision, 2);
});

test("an upgrade that is cancelled while it backs up leaves the environment ready", async () => {
	const environment = await keeper.givenReady();
	const { id } = await keeper.upgrade(environment);
	const world = makeScriptedWorld({
		backUp: (_request, { signal }) => hang(signal),
	});
	const running = attempt(installation, world, id);
	await until("it backs up", () => world.calls.includes("backUp"));
	await cancelOperation(installation, actor, await keeper.find(id));
	assert.equal(await running, "final");
	assert.equal((await keeper.find(id)).state, "cancelled");
	assert.equal((await keeper.load(environment.id)).lifecycle, "ready");
});

test("a backup on demand that fails leaves the environment as it is", async () => {
	const environment = await keeper.givenReady();
	const { id } = await keeper.backUp(environment);
	await keeper.work(id, { backUp: fails });
	assert.equal((await keeper.find(id)).state, "failed");
	const after = await keeper.load(environment.id);
	assert.deepEqual([after.lifecycle, after.health], ["ready", "healthy"]);
	const again = await retryOperation(
		installation,
		actor,
		await keeper.find(id),
	);
	assert.equal((await keeper.load(environment.id)).lifecycle, "ready");
	await keeper.work(again.id);
	assert.equal((await keeper.list(environment)).length, 1);
});

test("behind an upgrade it waits its turn; a newer upgrade leaves it in line, a destroy does not", async () => {
	const environment = await keeper.givenReady();
	await keeper.upgrade(environment);
	const backup = await keeper.backUp(environment);
	await keeper.upgrade(environment, "skip", { parameters: { theme: "gold" } });
	assert.equal((await keeper.find(backup.id)).state, "queued");
	await destroyEnvironment(installation, actor, environment);
	assert.equal((await keeper.find(backup.id)).state, "superseded");
});

test("what is kept follows the retention of what runs, and is listed as long as it is there", async () => {
	const { environment, backup } = await keeper.givenBackup();
	const day = 24 * 60 * 60 * 1000;
	assert.equal(backup.expiresAt.getTime() - backup.takenAt.getTime(), 14 * day);
	const { id } = await keeper.upgrade(environment, "skip", {
		parameters: { backups: { retentionDays: 3 } },
	});
	await keeper.work(id);
	const [kept] = await keeper.list(environment);
	assert.ok(kept);
	assert.equal(kept.expiresAt.getTime() - kept.takenAt.getTime(), 3 * day);
	await sql`update backups set expires_at = now() where id = ${backup.id}`.execute(
		database.db,
	);
	assert.deepEqual(await keeper.list(environment), []);
});

test("those of a namespace go with the environment", async () => {
	const { environment } = await keeper.givenBackup();
	assert.equal((await keeper.list(environment)).length, 1);
	const { id } = await destroyEnvironment(installation, actor, environment);
	await keeper.work(id);
	assert.deepEqual(await keeper.list(environment), []);
});

const answers: Record<Lifecycle, RegExp | undefined> = {
	creating: /being created/,
	ready: undefined,
	upgrading: undefined,
	rolling_back: undefined,
	restoring: undefined,
	hibernating: /Wake it first/,
	hibernated: /no database runs.*Wake it first/,
	waking: undefined,
	destroying: /being destroyed/,
	destroyed: /is destroyed/,
	failed: undefined,
};
for (const lifecycle of lifecycles)
	test(`a backup of one that is ${lifecycle} is ${answers[lifecycle] ? "refused, and it is said why" : "taken"}`, () => {
		const reason = refusal("backup", { lifecycle, revision: 1 });
		const expected = answers[lifecycle];
		if (expected === undefined) assert.equal(reason, undefined);
		else assert.match(reason ?? "", expected);
	});

test("one whose create failed has nothing to back up", () => {
	assert.match(
		refusal("backup", { lifecycle: "failed", revision: null }) ?? "",
		/nothing to back up/,
	);
});
