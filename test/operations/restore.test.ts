// A restore: its steps in their order, what it refuses before and after what runs was stopped, and what becomes of the
// environment then.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { databasesUntouched } from "../../src/domain/cluster.ts";
import {
	type Lifecycle,
	lifecycles,
	refusal,
} from "../../src/domain/environment.ts";
import type { Actor } from "../../src/domain/tenant.ts";
import { Failure } from "../../src/failure.ts";
import { cancelOperation } from "../../src/operations/cancel.ts";
import { findOpenOperation } from "../../src/store/operations.ts";
import { loadRevision } from "../../src/store/revisions.ts";
import { attempt } from "../support/attempt.ts";
import { makeKeeper } from "../support/backups.ts";
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

const damaged = new Failure({
	code: "backup_failed",
	message: "The backup is damaged.",
	untouched: databasesUntouched,
	advice: "Restore an earlier backup.",
});
const refusedLater: Script = {
	async restore({ dryRun }) {
		if (!dryRun) throw damaged;
		return undefined;
	},
};

test("it is checked and backed up while all runs, then stopped, restored and started, in the next revision", async () => {
	const { environment, backup } = await keeper.givenBackup({
		parameters: { theme: "dark" },
	});
	const ordered = await keeper.restore(environment, backup);
	assert.deepEqual(
		[ordered.kind, ordered.revisionFrom, ordered.revisionTo],
		["restore", 1, 2],
	);
	const during = await keeper.load(environment.id);
	assert.deepEqual(
		[during.lifecycle, during.desiredRevision],
		["restoring", 2],
	);
	const { number, basedOn, parameters, release } = await loadRevision(
		database.db,
		environment.id,
		2,
	);
	assert.deepEqual(
		[number, basedOn, parameters.theme, release.name],
		[2, 1, "dark", "0.6.0"],
	);
	const { calls, runs } = await keeper.work(ordered.id);
	assert.deepEqual(
		calls.filter((call) => !call.startsWith("stopped")),
		["check", "backUp", "up", "restore", "up", "ready", "verify", "close"],
	);
	assert.deepEqual(
		runs.map(({ input }) => [input.revision, input.power ?? "on"]),
		[
			[1, "quiesced"],
			[2, "on"],
		],
	);
	const ended = await keeper.load(environment.id);
	assert.deepEqual(
		[ended.lifecycle, ended.health, ended.revision],
		["ready", "healthy", 2],
	);
	const types = await keeper.listEventTypes(ordered.id);
	for (const type of ["checked", "completed", "restored"])
		assert.ok(types.includes(`backup.${type}` as (typeof types)[number]), type);
	assert.deepEqual(
		(await keeper.list(environment)).map(({ reason }) => reason),
		["before_restore", "on_demand"],
	);
});

for (const [options, before] of [
	[{}, scriptedBackup.name],
	[{ backupFirst: "skip" }, undefined],
] as const)
	test(`the restore is told of the backup from just before: ${before ?? "without one, of none"}`, async () => {
		const { environment, backup } = await keeper.givenBackup();
		const { id } = await keeper.restore(environment, backup, options);
		const told: (string | undefined)[] = [];
		const { calls } = await keeper.work(id, {
			async restore(request) {
				if (!request.dryRun) told.push(request.before);
				return undefined;
			},
		});
		assert.deepEqual(told, [before]);
		assert.equal(calls.includes("backUp"), before !== undefined);
		assert.equal((await keeper.find(id)).state, "succeeded");
	});

test("what was restored is not restored again by the next owner", async () => {
	const { environment, backup } = await keeper.givenBackup();
	const { id } = await keeper.restore(environment, backup);
	const stop = new AbortController();
	const world = makeScriptedWorld({
		ready: ({ signal }) => hang(signal),
	});
	const first = attempt(installation, world, id, { stopping: stop.signal });
	await until("it waits", () => world.calls.includes("ready"));
	stop.abort();
	assert.equal(await first, "postponed");
	assert.equal((await keeper.find(id)).restore, "done");
	const { calls } = await keeper.work(id);
	assert.deepEqual(calls, ["up", "ready", "verify", "close"]);
	assert.equal((await keeper.find(id)).state, "succeeded");
});

test("a restore whose worker leaves goes on with the same Job", async () => {
	const { environment, backup } = await keeper.givenBackup();
	const { id } = await keeper.restore(environment, backup);
	const stop = new AbortController();
	const names: string[] = [];
	const note =
		(hangs: boolean): NonNullable<Script["restore"]> =>
		async ({ run, dryRun }, { signal }) => {
			if (dryRun) return undefined;
			names.push(run);
			return hangs ? hang(signal) : undefined;
		};
	const world = makeScriptedWorld({ restore: note(true) });
	const first = attempt(installation, world, id, { stopping: stop.signal });
	await until("it restores", () => names.length === 1);
	stop.abort();
	assert.equal(await first, "postponed");
	assert.equal(world.calls.includes("endRestore"), false);
	await keeper.work(id, { restore: note(false) });
	assert.equal((await keeper.find(id)).state, "succeeded");
	assert.deepEqual(names, [names[0], names[0]]);
});

test("a damaged backup is refused while everything runs, and nothing was stopped", async () => {
	const { environment, backup } = await keeper.givenBackup();
	const { id } = await keeper.restore(environment, backup);
	const { calls } = await keeper.work(id, {
		restore: () => Promise.reject(damaged),
	});
	assert.deepEqual(calls, ["check", "close"]);
	const ended = await keeper.find(id);
	assert.deepEqual([ended.state, ended.phase], ["failed", "checking"]);
	assert.equal(ended.error?.untouched, databasesUntouched);
	const after = await keeper.load(environment.id);
	assert.deepEqual(
		[after.lifecycle, after.health, after.revision],
		["ready", "healthy", 1],
	);
});

test("what is refused after everything was stopped is started again by an operation of the service's own", async () => {
	const { environment, backup } = await keeper.givenBackup();
	const { id } = await keeper.restore(environment, backup);
	const { calls } = await keeper.work(id, refusedLater);
	assert.ok(calls.indexOf("endRestore") > calls.indexOf("restore"));
	const ended = await keeper.find(id);
	assert.deepEqual([ended.state, ended.restore], ["failed", null]);
	assert.match(ended.error?.advice ?? "", /started again/);
	assert.equal((await keeper.load(environment.id)).lifecycle, "waking");
	const wake = await findOpenOperation(database.db, environment.id, "wake");
	assert.ok(wake);
	assert.deepEqual(
		[wake.causedBy, wake.requestedBy, wake.revisionTo],
		[id, "service", 2],
	);
	const { runs } = await keeper.work(wake.id);
	assert.deepEqual(
		runs.map(({ input }) => input.power ?? "on"),
		["on"],
	);
	const after = await keeper.load(environment.id);
	assert.deepEqual([after.lifecycle, after.revision], ["ready", 2]);
});

test("a restore that is cancelled while it stops what runs is started again", async () => {
	const { environment, backup } = await keeper.givenBackup();
	const { id } = await keeper.restore(environment, backup);
	const world = makeScriptedWorld({ up: ({ signal }) => hang(signal) });
	const running = attempt(installation, world, id);
	await until("it stops", () => world.calls.includes("up"));
	await cancelOperation(installation, actor, await keeper.find(id));
	assert.equal(await running, "final");
	assert.equal((await keeper.load(environment.id)).lifecycle, "waking");
	const wake = await findOpenOperation(database.db, environment.id, "wake");
	assert.equal(wake?.causedBy, id);
});

test("one that is cancelled half-way is ended, starts nothing on half of the data, and can be ordered again", async () => {
	const { environment, backup } = await keeper.givenBackup();
	const { id } = await keeper.restore(environment, backup);
	const world = makeScriptedWorld({
		restore: ({ dryRun }, { signal }) =>
			dryRun ? Promise.resolve(undefined) : hang(signal),
	});
	const running = attempt(installation, world, id);
	await until("it restores", () => world.calls.includes("restore"));
	await cancelOperation(installation, actor, await keeper.find(id));
	assert.equal(await running, "final");
	assert.ok(world.calls.includes("endRestore"));
	const ended = await keeper.find(id);
	assert.deepEqual([ended.state, ended.restore], ["cancelled", "begun"]);
	assert.equal((await keeper.load(environment.id)).lifecycle, "failed");
	assert.equal(
		await findOpenOperation(database.db, environment.id, "wake"),
		undefined,
	);
	const again = await keeper.restore(environment, backup, {
		backupFirst: "skip",
	});
	await keeper.work(again.id);
	assert.equal((await keeper.load(environment.id)).lifecycle, "ready");
});

test("tools that fail half-way leave the environment failed, and say so", async () => {
	const { environment, backup } = await keeper.givenBackup();
	const { id } = await keeper.restore(environment, backup);
	await keeper.work(id, {
		async restore({ dryRun }) {
			if (dryRun) return undefined;
			throw new Failure({
				code: "backup_failed",
				message: "mongorestore failed half-way.",
				untouched: "The databases may hold a part of it.",
			});
		},
	});
	assert.equal((await keeper.find(id)).restore, "begun");
	assert.equal((await keeper.load(environment.id)).lifecycle, "failed");
});

const refuses = (code: string, message: RegExp) => (error: unknown) => {
	assert.ok(error instanceof Failure, String(error));
	assert.equal(error.code, code);
	assert.match(error.message, message);
	assert.equal(error.untouched, "Nothing was ordered.");
	assert.ok(error.advice);
	return true;
};

test("a backup of another environment, of another tenant, and one that is over are refused before anything is written", async () => {
	const { environment, backup } = await keeper.givenBackup();
	const other = await keeper.givenReady();
	await assert.rejects(
		keeper.restore(other, backup),
		refuses(
			"conflict",
			new RegExp(`is of the environment ${environment.name}`),
		),
	);
	const stranger = makeKeeper(
		installation,
		(await givenActor(database.db, "rival")).actor,
	);
	await assert.rejects(
		stranger.restore(await stranger.givenReady(), backup),
		refuses("invalid_request", /no backup that is there/),
	);
	await database.db
		.updateTable("backups")
		.set({ expires_at: new Date() })
		.where("id", "=", backup.id)
		.execute();
	await assert.rejects(
		keeper.restore(environment, backup),
		refuses("invalid_request", /no backup that is there/),
	);
	for (const { id } of [environment, other])
		assert.equal((await keeper.load(id)).desiredRevision, 1);
});

test("another minor version is allowed by the order", async () => {
	const { environment, backup } = await keeper.givenBackup();
	const { id } = await keeper.restore(environment, backup, {
		allowOtherVersion: true,
	});
	const allowed: boolean[] = [];
	await keeper.work(id, {
		async restore({ allowOtherVersion }) {
			allowed.push(allowOtherVersion);
			return undefined;
		},
	});
	assert.deepEqual(allowed, [true, true]);
});

const answers: Record<Lifecycle, RegExp | undefined> = {
	creating: /being created/,
	ready: undefined,
	upgrading: /being upgraded/,
	rolling_back: /being rolled back/,
	restoring: /being restored already/,
	hibernating: /Wake it first/,
	hibernated: /Wake it first/,
	waking: /waking up/,
	rotating: /being rotated/,
	destroying: /being destroyed/,
	destroyed: /is destroyed/,
	failed: undefined,
};
for (const lifecycle of lifecycles)
	test(`a restore of one that is ${lifecycle} is ${answers[lifecycle] ? "refused, and it is said why" : "taken"}`, () => {
		const reason = refusal("restore", { lifecycle, revision: 1 });
		const expected = answers[lifecycle];
		if (expected === undefined) assert.equal(reason, undefined);
		else assert.match(reason ?? "", expected);
	});
