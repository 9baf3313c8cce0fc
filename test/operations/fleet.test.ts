// A release on its way to many environments. The ends of its members' operations are written as a worker would.
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { sql } from "kysely";
import type { EnvironmentId } from "../../src/domain/ids.ts";
import { upstreamRelease } from "../../src/domain/release.ts";
import {
	isOpen,
	type Rollout,
	type RolloutMember,
	rolloutOrder,
} from "../../src/domain/rollout.ts";
import { environmentSpec } from "../../src/domain/spec.ts";
import type { Actor } from "../../src/domain/tenant.ts";
import { Failure } from "../../src/failure.ts";
import { createEnvironment } from "../../src/operations/create.ts";
import { destroyEnvironment } from "../../src/operations/destroy.ts";
import { advanceRollouts } from "../../src/operations/fleet.ts";
import {
	abortRollout,
	orderRollout,
	resumeRollout,
} from "../../src/operations/order-rollout.ts";
import {
	loadEnvironment,
	updateEnvironment,
} from "../../src/store/environments.ts";
import { listOperations } from "../../src/store/operations.ts";
import { createRelease } from "../../src/store/releases.ts";
import { findRollout, listMembers } from "../../src/store/rollouts.ts";
import { attempt } from "../support/attempt.ts";
import { readOwnActs } from "../support/audit.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { makeScriptedWorld } from "../support/engine.ts";
import {
	givenActor,
	givenInstallation,
	type Installation,
	silentLog,
} from "../support/given.ts";

let database: TestDatabase;
let installation: Installation;
let acme: Actor;
let admin: Actor;
let count = 0;
before(async () => {
	database = await createTestDatabase();
	installation = await givenInstallation(database.db);
	acme = (await givenActor(database.db, "acme")).actor;
	admin = (await givenActor(database.db, "platform", "platform-admin")).actor;
	await createRelease(database.db, upstreamRelease("0.6.1", "0.15.0"));
});
beforeEach(async () => {
	await sql`truncate rollouts, rollout_members, events, operations, revisions, secrets, environments cascade`.execute(
		database.db,
	);
	installation.sent.length = 0;
});
after(() => database.close());

/** Environments that are ready at revision 1, in this order. */
async function givenReady(
	many: number,
	spec: object = {},
	actor = acme,
): Promise<EnvironmentId[]> {
	const ids: EnvironmentId[] = [];
	for (let i = 0; i < many; i++) {
		const { environment } = await createEnvironment(
			installation,
			actor,
			environmentSpec.parse({ name: `env-${++count}`, ...spec }),
		);
		await endOf(environment, "succeeded");
		await updateEnvironment(database.db, environment, {
			lifecycle: "ready",
			health: "healthy",
			revision: 1,
		});
		ids.push(environment);
	}
	return ids;
}

/** Ends the open operation of an environment. */
async function endOf(
	environment: EnvironmentId,
	state: "succeeded" | "failed" | "superseded",
): Promise<void> {
	const error = {
		code: "workload_stuck",
		message: "It hangs.",
		retryable: false,
	};
	await sql`update operations set state = ${state}, started_at = coalesce(started_at, now()), finished_at = now(),
		is_touched = ${state !== "superseded"}, error = ${state === "failed" ? JSON.stringify(error) : null}
		where environment_id = ${environment} and finished_at is null`.execute(
		database.db,
	);
	await updateEnvironment(database.db, environment, {
		lifecycle: state === "failed" ? "failed" : "ready",
	});
}

const order = (part: object = {}) =>
	orderRollout(
		database.db,
		admin,
		rolloutOrder.parse({ release: "0.6.1", selector: {}, ...part }),
	);
const pass = () => advanceRollouts({ ...installation, log: silentLog });
const look = async ({ id }: Rollout): Promise<Rollout> => {
	const found = await findRollout(database.db, id);
	assert.ok(found);
	return found;
};
const members = ({ id }: Rollout): Promise<RolloutMember[]> =>
	listMembers(database.db, id);
const states = async (rollout: Rollout) =>
	(await members(rollout)).map(({ state }) => state);

const refuses = (code: string, message: RegExp) => (error: unknown) => {
	assert.ok(error instanceof Failure, String(error));
	assert.equal(error.code, code);
	assert.match(error.message, message);
	return true;
};

test("no more than the limit are under way at a time, and each end lets the next begin, until all are done", async () => {
	const ids = await givenReady(5);
	const rollout = await order({ maxConcurrent: 2 });
	await pass();
	assert.deepEqual(await states(rollout), [
		"upgrading",
		"upgrading",
		"waiting",
		"waiting",
		"waiting",
	]);
	await pass();
	assert.equal((await states(rollout)).indexOf("waiting"), 2);
	const [first] = await members(rollout);
	assert.equal(first?.environment, ids[0]);
	assert.ok(first?.operation && installation.sent.includes(first.operation));
	assert.deepEqual(await readOwnActs(database.db, first.environment), [
		["service.upgrade", admin.name, first.operation],
	]);

	for (const id of ids) {
		await endOf(id, "succeeded");
		await pass();
	}
	const done = await look(rollout);
	assert.equal(done.state, "succeeded");
	assert.ok(done.finishedAt);
	assert.deepEqual(new Set(await states(rollout)), new Set(["succeeded"]));
	assert.deepEqual(
		done.timeline.map(({ state }) => state),
		["running", "succeeded"],
	);
	const operations = await listOperations(database.db, ids[4] ?? fail(), {
		limit: 10,
	});
	assert.deepEqual(
		operations.map(({ kind, options, requestedBy }) => [
			kind,
			options.onFailure,
			requestedBy,
		]),
		[
			["upgrade", "rollback", admin.name],
			["create", undefined, acme.name],
		],
	);
});

const fail = (): never => assert.fail("there is none");

test("a member that fails stops it: those under way come to their end, the rest are not touched, and it says so", async () => {
	const ids = await givenReady(5);
	const rollout = await order({ maxConcurrent: 2 });
	await pass();
	await endOf(ids[1] ?? fail(), "failed");
	await pass();
	assert.equal((await look(rollout)).state, "stopping");
	assert.deepEqual(await states(rollout), [
		"upgrading",
		"failed",
		"untouched",
		"untouched",
		"untouched",
	]);
	await endOf(ids[0] ?? fail(), "succeeded");
	await pass();
	const ended = await look(rollout);
	assert.equal(ended.state, "failed");
	const all = await members(rollout);
	const reason = ended.timeline.at(-1)?.reason ?? "";
	assert.match(reason, /failed and was not rolled back: It hangs\./);
	assert.match(reason, /1 were upgraded\. Not touched: /);
	for (const { name } of all.slice(2)) assert.ok(reason.includes(name));
	for (const { environment } of all.slice(2))
		assert.equal(
			(await loadEnvironment(database.db, environment)).desiredRevision,
			1,
		);
});

for (const [end, state] of [
	["succeeded", "rolled_back"],
	["failed", "failed"],
] as const) {
	test(`the rollback of the failed member is followed, and when it ${end} the member is ${state}`, async () => {
		const [id] = await givenReady(1);
		assert.ok(id);
		const rollout = await order();
		await pass();
		const upgrade = (await members(rollout))[0]?.operation;
		await endOf(id, "failed");
		await sql`insert into operations (id, environment_id, tenant_id, kind, state, changes, requested_by, caused_by)
			select 'op_back', id, tenant_id, 'rollback', 'queued', '{}', 'impresario', ${upgrade ?? null}
			from environments where id = ${id}`.execute(database.db);
		await pass();
		const [during] = await members(rollout);
		assert.deepEqual(
			[during?.state, during?.rollback],
			["rolling_back", "op_back"],
		);
		assert.equal((await look(rollout)).state, "stopping");
		await endOf(id, end);
		await pass();
		assert.deepEqual(await states(rollout), [state]);
		const ended = await look(rollout);
		assert.equal(ended.state, "failed");
		assert.match(
			ended.timeline.at(-1)?.reason ?? "",
			end === "succeeded"
				? /was rolled back: It hangs/
				: /Its rollback: It hangs/,
		);
	});
}

test("after the first wave it pauses until it is resumed, and once only", async () => {
	const ids = await givenReady(5);
	const rollout = await order({ maxConcurrent: 2, pauseAfterFirstWave: true });
	await pass();
	await endOf(ids[0] ?? fail(), "succeeded");
	await pass();
	assert.deepEqual(
		(await states(rollout)).slice(0, 3),
		["succeeded", "upgrading", "waiting"],
		"the wave is not over",
	);
	await endOf(ids[1] ?? fail(), "succeeded");
	await pass();
	await pass();
	const paused = await look(rollout);
	assert.deepEqual([paused.state, paused.resumesAt], ["paused", null]);

	await resumeRollout(database.db, admin, rollout);
	await pass();
	assert.deepEqual((await states(rollout)).slice(2), [
		"upgrading",
		"upgrading",
		"waiting",
	]);
	for (const id of ids.slice(2)) {
		await endOf(id, "succeeded");
		await pass();
	}
	const { state, timeline } = await look(rollout);
	assert.equal(state, "succeeded");
	assert.deepEqual(
		timeline.map((step) => step.state),
		["running", "paused", "running", "succeeded"],
	);
	await assert.rejects(
		resumeRollout(database.db, admin, rollout),
		refuses("conflict", /is not paused/),
	);
});

test("a pause with a length ends by itself", async () => {
	const [first] = await givenReady(2);
	const rollout = await order({ maxConcurrent: 1, pauseAfterFirstWave: 60 });
	await pass();
	await endOf(first ?? fail(), "succeeded");
	await pass();
	const paused = await look(rollout);
	assert.equal(paused.state, "paused");
	assert.ok((paused.resumesAt?.getTime() ?? 0) > Date.now());
	await pass();
	assert.equal((await look(rollout)).state, "paused");
	await sql`update rollouts set resumes_at = now() - interval '1 second'`.execute(
		database.db,
	);
	await pass();
	assert.equal((await look(rollout)).state, "running");
	assert.deepEqual(await states(rollout), ["succeeded", "upgrading"]);
});

test("an abort begins no further member and lets those under way come to their end; asked again it is the same", async () => {
	const ids = await givenReady(3);
	const rollout = await order({ maxConcurrent: 1 });
	await pass();
	await abortRollout(database.db, admin, rollout);
	const again = await abortRollout(database.db, admin, rollout);
	assert.deepEqual([again.state, again.abortedBy], ["stopping", admin.name]);
	await pass();
	assert.deepEqual(await states(rollout), [
		"upgrading",
		"untouched",
		"untouched",
	]);
	await endOf(ids[0] ?? fail(), "succeeded");
	await pass();
	const ended = await look(rollout);
	assert.equal(ended.state, "aborted");
	assert.match(ended.timeline.at(-1)?.reason ?? "", /1 were upgraded/);
	assert.equal(
		(await abortRollout(database.db, admin, rollout)).state,
		"aborted",
	);
});

test("one that has ended, or stops for a failure, cannot be aborted", async () => {
	const [first] = await givenReady(2);
	const rollout = await order({ maxConcurrent: 2 });
	await pass();
	await endOf(first ?? fail(), "failed");
	await pass();
	await assert.rejects(
		abortRollout(database.db, admin, rollout),
		refuses("conflict", /stops already/),
	);
	const [, second] = await members(rollout);
	await endOf(second?.environment ?? fail(), "succeeded");
	await pass();
	assert.equal((await look(rollout)).state, "failed");
	await assert.rejects(
		abortRollout(database.db, admin, rollout),
		refuses("conflict", /has ended already/),
	);
});

test("members that run the release, have failed or are being destroyed are skipped with the reason, and do not count for the wave", async () => {
	const [failed, going, gone] = await givenReady(3);
	await givenReady(1, { release: "0.6.1" });
	await givenReady(2);
	await updateEnvironment(database.db, failed ?? fail(), {
		lifecycle: "failed",
	});
	await destroyEnvironment(
		installation,
		acme,
		await loadEnvironment(database.db, going ?? fail()),
	);
	const rollout = await order({ maxConcurrent: 1, pauseAfterFirstWave: true });
	await updateEnvironment(database.db, gone ?? fail(), {
		lifecycle: "destroyed",
	});
	await pass();
	const all = await members(rollout);
	assert.deepEqual(
		all.map(({ state }) => state),
		["skipped", "skipped", "skipped", "skipped", "upgrading", "waiting"],
	);
	const reasons = [
		/somebody has to look/,
		/being destroyed/,
		/is destroyed/,
		/has the release 0\.6\.1 already/,
	];
	for (const [i, pattern] of reasons.entries())
		assert.match(all[i]?.reason ?? "", pattern);
});

test("what somebody ordered in place of a member's upgrade is no failure", async () => {
	const [id] = await givenReady(1);
	const rollout = await order();
	await pass();
	await endOf(id ?? fail(), "superseded");
	await pass();
	assert.deepEqual(await states(rollout), ["skipped"]);
	assert.equal((await look(rollout)).state, "succeeded");
});

test("who takes part is decided when it is ordered, by all that the selector names", async () => {
	const { actor: globex } = await givenActor(database.db, "globex");
	const [qa] = await givenReady(1, { labels: { stage: "qa", team: "a" } });
	await givenReady(1, { labels: { stage: "prod" } });
	const [large] = await givenReady(1, { size: "ha" });
	const [theirs] = await givenReady(1, { labels: { stage: "qa" } }, globex);
	const select = async (selector: object) =>
		(await members(await order({ selector }))).map((one) => one.environment);
	assert.deepEqual(await select({ labels: { stage: "qa" } }), [qa, theirs]);
	assert.deepEqual(await select({ labels: { stage: "qa" }, tenant: "acme" }), [
		qa,
	]);
	assert.deepEqual(await select({ size: "ha" }), [large]);
	assert.equal((await select({ target: "sandbox" })).length, 4);
	const { name } = await loadEnvironment(database.db, theirs ?? fail());
	assert.deepEqual(await select({ names: [name] }), [theirs]);

	const frozen = await order();
	await givenReady(1);
	assert.equal((await members(frozen)).length, 4);
});

test("a selection of nobody and a release that does not exist are refused, and nothing is stored", async () => {
	await givenReady(1);
	await assert.rejects(
		order({ selector: { names: ["nobody"] } }),
		refuses("invalid_request", /selects no environment/),
	);
	await assert.rejects(
		order({ release: "9.9.9" }),
		refuses("invalid_request", /names no release: 9\.9\.9/),
	);
	const { rows } = await sql`select from rollouts`.execute(database.db);
	assert.equal(rows.length, 0);
});

test("passes that run side by side order each upgrade once", async () => {
	const ids = await givenReady(4);
	const rollout = await order({ maxConcurrent: 3 });
	await Promise.all(Array.from({ length: 5 }, pass));
	await pass();
	assert.deepEqual(await states(rollout), [
		"upgrading",
		"upgrading",
		"upgrading",
		"waiting",
	]);
	for (const id of ids.slice(0, 3))
		assert.equal((await loadEnvironment(database.db, id)).desiredRevision, 2);
});

test("a member's upgrade is an operation like any other: a worker brings it to its end", async () => {
	const [id] = await givenReady(1);
	const rollout = await order();
	await pass();
	const [member] = await members(rollout);
	assert.equal(
		await attempt(
			installation,
			makeScriptedWorld(),
			member?.operation ?? fail(),
		),
		"final",
	);
	await pass();
	assert.equal((await look(rollout)).state, "succeeded");
	const environment = await loadEnvironment(database.db, id ?? fail());
	assert.deepEqual([environment.lifecycle, environment.revision], ["ready", 2]);
});

test("outside of its window no member is begun", async () => {
	await givenReady(1);
	const now = new Date();
	const time = (hours: number) =>
		new Date(now.getTime() + hours * 3_600_000).toISOString().slice(11, 16);
	const window = { from: time(2), to: time(4), timeZone: "UTC" };
	const rollout = await order({ window });
	await pass();
	assert.deepEqual(await states(rollout), ["waiting"]);
	assert.equal((await look(rollout)).state, "running");
	await sql`update rollouts set time_window = ${JSON.stringify({ ...window, from: time(-2) })}`.execute(
		database.db,
	);
	await pass();
	assert.deepEqual(await states(rollout), ["upgrading"]);
});

test("a window goes over midnight, by the clock of its time zone, in summer and in winter", () => {
	const window = { from: "22:00", to: "05:00", timeZone: "Europe/Berlin" };
	const at = (time: string) => isOpen(window, new Date(time));
	assert.deepEqual(
		[
			at("2026-01-15T20:59:00Z"),
			at("2026-01-15T21:00:00Z"),
			at("2026-01-16T03:59:00Z"),
			at("2026-01-16T04:00:00Z"),
			at("2026-07-15T19:59:00Z"),
			at("2026-07-15T20:00:00Z"),
			at("2026-07-16T03:00:00Z"),
		],
		[false, true, true, false, false, true, false],
	);
	for (const timeZone of ["Mars/Olympus", ""])
		assert.equal(
			rolloutOrder.safeParse({
				release: "0.6.1",
				selector: {},
				window: { ...window, timeZone },
			}).success,
			false,
		);
});
