// Environments that sleep and wake by themselves: once at each transition, and never against somebody's order.
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import type { Environment } from "../../src/domain/environment.ts";
import type { EnvironmentId } from "../../src/domain/ids.ts";
import type { Operation } from "../../src/domain/operation.ts";
import { environmentSpec } from "../../src/domain/spec.ts";
import type { Actor } from "../../src/domain/tenant.ts";
import { createEnvironment } from "../../src/operations/create.ts";
import { destroyEnvironment } from "../../src/operations/destroy.ts";
import { changePower } from "../../src/operations/power.ts";
import {
	followSchedules,
	planSchedule,
} from "../../src/operations/schedules.ts";
import { upgradeEnvironment } from "../../src/operations/upgrade.ts";
import {
	describeEnvironment,
	loadEnvironment,
	updateEnvironment,
} from "../../src/store/environments.ts";
import { listEvents } from "../../src/store/events.ts";
import { listOperations } from "../../src/store/operations.ts";
import { startFollowingSchedules } from "../../src/worker/tick.ts";
import { attempt } from "../support/attempt.ts";
import { readOwnActs } from "../support/audit.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { makeScriptedWorld, type Script } from "../support/engine.ts";
import {
	givenActor,
	givenInstallation,
	type Installation,
	silentLog,
} from "../support/given.ts";
import { loadOrdered, loadUnneeded } from "../support/ordered.ts";
import { until } from "../support/until.ts";

// Each test has the schedules to itself.
let database: TestDatabase;
let installation: Installation;
let actor: Actor;
before(async () => {
	database = await createTestDatabase();
	installation = await givenInstallation(database.db);
	actor = (await givenActor(database.db, "acme")).actor;
});
after(() => database.close());
afterEach(async () => {
	await database.db
		.updateTable("environments")
		.set({ schedule: null, transition_at: null, transition_to: null })
		.execute();
});

const nights = {
	timeZone: "Europe/Berlin",
	asleep: [{ from: "20:00", to: "07:00" }],
};
/** Of a summer day, by Berlin's clock. */
const at = (time: string, day = 1) =>
	new Date(`2099-07-${String(day).padStart(2, "0")}T${time}:00+02:00`);

let count = 0;
/** One that is ready at noon of that day, with a schedule since then. */
async function givenScheduled(noon: Date): Promise<EnvironmentId> {
	const create = await createEnvironment(
		installation,
		actor,
		environmentSpec.parse({ name: `env-${count++}` }),
	);
	await work(create);
	await describeEnvironment(database.db, create.environment, {
		schedule: planSchedule(nights, noon),
	});
	return create.environment;
}
const look = (id: EnvironmentId) => loadEnvironment(database.db, id);
const work = ({ id }: Pick<Operation, "id">, script: Script = {}) =>
	attempt(installation, makeScriptedWorld(script), id);
const follow = (now: Date) =>
	followSchedules({ ...installation, log: silentLog }, now);
/** Newest first. */
const list = (id: EnvironmentId) =>
	listOperations(database.db, id, { limit: 50 });
const newest = async (id: EnvironmentId): Promise<Operation> => {
	const [operation] = await list(id);
	assert.ok(operation);
	return operation;
};
const kinds = async (id: EnvironmentId) =>
	(await list(id)).map(({ kind }) => kind).toReversed();
const order = (id: EnvironmentId, kind: "hibernate" | "wake") =>
	changePower(installation, actor, { environment: { id }, kind });
const listSkipped = async (environment: EnvironmentId) =>
	(
		await listEvents(database.db, { environment }, { after: 0, limit: 200 })
	).flatMap((event) => (event.type === "schedule.skipped" ? [event.data] : []));

test("it falls asleep in the evening and wakes in the morning, by order of the schedule", async () => {
	const id = await givenScheduled(at("12:00"));
	assert.deepEqual((await look(id)).transition, {
		at: at("20:00"),
		to: "hibernated",
	});
	assert.equal(await follow(at("19:59")), 0);
	assert.equal(await follow(at("20:00")), 1);
	const asleep = await newest(id);
	assert.deepEqual(
		[asleep.kind, asleep.requestedBy, asleep.revisionTo],
		["hibernate", "schedule", 2],
	);
	assert.ok(installation.sent.includes(asleep.id));
	assert.deepEqual((await look(id)).transition, {
		at: at("07:00", 2),
		to: "on",
	});
	await work(asleep);
	assert.equal((await look(id)).lifecycle, "hibernated");
	assert.equal(await follow(at("07:00", 2)), 1);
	await work(await newest(id));
	assert.equal((await look(id)).lifecycle, "ready");
	assert.deepEqual(await kinds(id), ["create", "hibernate", "wake"]);
	assert.deepEqual(await readOwnActs(database.db, id), [
		["service.hibernate", "schedule", asleep.id],
		["service.wake", "schedule", (await newest(id)).id],
	]);
});

test("a transition is followed once, however many look at once and however often", async () => {
	const id = await givenScheduled(at("12:00", 3));
	const counts = await Promise.all(
		Array.from({ length: 8 }, () => follow(at("20:00", 3))),
	);
	assert.equal(
		counts.reduce((sum, one) => sum + one, 0),
		1,
	);
	assert.equal(await follow(at("20:05", 3)), 0);
	assert.deepEqual(await kinds(id), ["create", "hibernate"]);
	await work(await newest(id));
});

test("who wakes it in the night has it until the next evening", async () => {
	const id = await givenScheduled(at("12:00", 5));
	await follow(at("20:00", 5));
	await work(await newest(id));
	await work(loadOrdered(await order(id, "wake")));
	for (const time of ["22:00", "23:59"]) await follow(at(time, 5));
	await follow(at("07:00", 6));
	assert.deepEqual(await kinds(id), ["create", "hibernate", "wake"]);
	assert.equal((await look(id)).lifecycle, "ready");
	assert.equal(await follow(at("20:00", 6)), 1);
	await work(await newest(id));
});

test("who puts it to sleep at noon has it asleep until the next morning", async () => {
	const id = await givenScheduled(at("12:00", 8));
	await work(loadOrdered(await order(id, "hibernate")));
	assert.equal(await follow(at("20:00", 8)), 0);
	assert.equal((await look(id)).lifecycle, "hibernated");
	loadUnneeded(await order(id, "hibernate"));
	assert.equal(await follow(at("07:00", 9)), 1);
	await work(await newest(id));
});

test("an upgrade is waited for, and what is right then is done", async () => {
	const early = await givenScheduled(at("12:00", 11));
	const late = await givenScheduled(at("12:00", 11));
	const [first, second] = await Promise.all(
		[early, late].map(async (id) =>
			loadOrdered(
				await upgradeEnvironment(installation, actor, {
					environment: await look(id),
					change: { parameters: { theme: "gold" } },
				}),
			),
		),
	);
	assert.ok(first && second);
	assert.equal(await follow(at("20:00", 11)), 0);
	assert.deepEqual((await look(early)).transition?.at, at("20:00", 11));
	await work(first);
	assert.equal(await follow(at("21:00", 11)), 1);
	assert.deepEqual(await kinds(early), ["create", "upgrade", "hibernate"]);
	await work(await newest(early));
	// The other one is upgraded all night.
	await work(second);
	assert.equal(await follow(at("08:00", 12)), 1);
	assert.deepEqual(await kinds(late), ["create", "upgrade"]);
	assert.deepEqual((await look(late)).transition?.at, at("20:00", 12));
	await work(await newest(early));
	assert.deepEqual(await listSkipped(early), []);
});

test("one that failed is left alone, which its log tells, and followed again later", async () => {
	const id = await givenScheduled(at("12:00", 14));
	await updateEnvironment(database.db, id, { lifecycle: "failed" });
	assert.equal(await follow(at("20:00", 14)), 0);
	const [skipped] = await listSkipped(id);
	assert.equal(skipped?.kind, "hibernate");
	assert.match(skipped.reason, /did not succeed/);
	assert.deepEqual((await look(id)).transition, {
		at: at("07:00", 15),
		to: "on",
	});
	await updateEnvironment(database.db, id, { lifecycle: "ready" });
	assert.equal(await follow(at("20:00", 15)), 1);
	await work(await newest(id));
});

test("one whose schedule breaks does not keep the others awake", async () => {
	const broken = await givenScheduled(at("12:00", 17));
	const sound = await givenScheduled(at("12:01", 17));
	await database.db
		.updateTable("environments")
		.set({
			schedule: JSON.stringify({ timeZone: "No/Where", asleep: nights.asleep }),
		})
		.where("id", "=", broken)
		.execute();
	assert.equal(await follow(at("20:00", 17)), 1);
	assert.equal((await newest(sound)).kind, "hibernate");
	await describeEnvironment(database.db, broken, { schedule: null });
	await work(await newest(sound));
	assert.deepEqual(
		[(await look(broken)).schedule, (await look(broken)).transition],
		[null, null],
	);
});

test("what is destroyed sleeps no more", async () => {
	const id = await givenScheduled(at("12:00", 19));
	const environment: Environment = await look(id);
	await destroyEnvironment(installation, actor, environment);
	await describeEnvironment(database.db, id, {
		schedule: planSchedule(nights, at("12:00", 19)),
	});
	await follow(at("20:00", 19));
	assert.deepEqual(await kinds(id), ["create", "destroy"]);
	assert.deepEqual(await listSkipped(id), []);
});

test("a process that looks by itself finds what is due by the database's clock", async () => {
	const id = await givenScheduled(at("12:00", 21));
	await database.db
		.updateTable("environments")
		.set({
			schedule: JSON.stringify({
				timeZone: "UTC",
				// Awake for a minute on the other side of the clock.
				asleep: [{ from: timeIn(12 * 60 + 1), to: timeIn(12 * 60) }],
			}),
			transition_at: new Date(Date.now() - 1_000),
		})
		.where("id", "=", id)
		.execute();
	const ticker = startFollowingSchedules({ ...installation, log: silentLog });
	try {
		await until("it is put to sleep", async () =>
			(await kinds(id)).includes("hibernate"),
		);
	} finally {
		await ticker.close();
	}
});

const timeIn = (minutes: number) =>
	new Date(Date.now() + minutes * 60_000).toISOString().slice(11, 16);
