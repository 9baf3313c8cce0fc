// What is told of an environment's health: once it has lasted, only where something changed, and only while no operation
// moves the environment.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type {
	HealthReason,
	LookoutHooks,
	OpenLookout,
	Reach,
	Sighting,
} from "../../src/domain/health.ts";
import type { EnvironmentId } from "../../src/domain/ids.ts";
import type { Actor } from "../../src/domain/tenant.ts";
import { registerTarget } from "../../src/operations/target.ts";
import { makeWatches, type Watches } from "../../src/operations/watches.ts";
import {
	loadEnvironment,
	updateEnvironment,
} from "../../src/store/environments.ts";
import { listEvents } from "../../src/store/events.ts";
import { holdWatches } from "../../src/store/health.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import {
	givenActor,
	givenInstallation,
	givenOrder,
	type Installation,
	silentLog,
} from "../support/given.ts";
import { until } from "../support/until.ts";

let database: TestDatabase;
let installation: Installation;
let actor: Actor;
before(async () => {
	database = await createTestDatabase();
	installation = await givenInstallation(database.db);
	actor = (await givenActor(database.db, "acme")).actor;
});
after(() => database.close());

/** A cluster that is as the test says. */
interface World {
	reach: Reach;
	readonly sightings: Map<string, Sighting>;
	readonly opened: LookoutHooks[];
	closed: number;
	readonly openLookout: OpenLookout;
	show(environment: string, reasons: readonly HealthReason[]): void;
}

function makeWorld(): World {
	const world: World = {
		reach: { state: "seeing" },
		sightings: new Map(),
		opened: [],
		closed: 0,
		openLookout(_, hooks) {
			world.opened.push(hooks);
			return {
				reach: () => world.reach,
				read: (environment) => world.sightings.get(environment),
				explain: async (environment) => world.sightings.get(environment),
				close: async () => {
					world.closed += 1;
				},
			};
		},
		show(environment, reasons) {
			world.sightings.set(environment, { workloads: 16, reasons });
			for (const { onChange } of world.opened) onChange(environment);
		},
	};
	return world;
}

const stuck = (reason: string, message = "Pod a: no."): HealthReason => ({
	kind: "apps/v1/Deployment",
	name: "server",
	reason,
	message,
});

const watch = (world: World, owner = "a"): Watches =>
	makeWatches({
		...installation,
		log: silentLog,
		openLookout: world.openLookout,
		owner,
	});

let count = 0;
async function givenReady(world: World): Promise<EnvironmentId> {
	count += 1;
	const { environment } = await givenOrder(installation, actor, `qa-${count}`);
	await database.db
		.updateTable("operations")
		.set({ state: "succeeded", finished_at: new Date() })
		.where("environment_id", "=", environment)
		.execute();
	await updateEnvironment(database.db, environment, {
		lifecycle: "ready",
		health: "healthy",
		revision: 1,
	});
	world.sightings.set(environment, { workloads: 16, reasons: [] });
	return environment;
}

const load = (id: EnvironmentId) => loadEnvironment(database.db, id);

const listChanges = async (environment: EnvironmentId) =>
	(
		await listEvents(database.db, { environment }, { after: 0, limit: 100 })
	).flatMap((event) =>
		event.type === "health.changed" ? [event.data.health] : [],
	);

async function untilHealth(
	watches: Watches,
	id: EnvironmentId,
	health: string,
	reason?: string,
): Promise<void> {
	await until(
		`the environment is ${health} ${reason ?? ""}`,
		async () => {
			await watches.pass();
			const now = await load(id);
			return (
				now.health === health &&
				(reason === undefined || now.healthReasons[0]?.reason === reason)
			);
		},
		{ timeoutMs: 30_000, everyMs: 100 },
	);
}

test("what is not ready makes it degraded, with the reason, and what is ready again healthy", async () => {
	const world = makeWorld();
	const watches = watch(world);
	const id = await givenReady(world);
	await watches.pass();
	world.show(id, [stuck("ImagePullBackOff")]);
	await watches.pass();
	assert.equal((await load(id)).health, "healthy", "it must last first");
	await untilHealth(watches, id, "degraded");
	assert.deepEqual((await load(id)).healthReasons, [stuck("ImagePullBackOff")]);
	world.show(id, []);
	await untilHealth(watches, id, "healthy");
	assert.deepEqual((await load(id)).healthReasons, []);
	assert.deepEqual(await listChanges(id), ["degraded", "healthy"]);
	await watches.close();
	assert.equal(world.closed, 1);
});

test("another wording is no news, another reason is, and no reason is not", async () => {
	const world = makeWorld();
	const watches = watch(world);
	const id = await givenReady(world);
	await watches.pass();
	world.show(id, [stuck("CrashLoopBackOff", "1 restart")]);
	await untilHealth(watches, id, "degraded");
	const { updatedAt } = await load(id);
	const other = await givenReady(world);
	world.show(id, [stuck("CrashLoopBackOff", "2 restarts")]);
	world.show(other, [stuck("Unschedulable")]);
	await untilHealth(watches, other, "degraded");
	world.show(id, [stuck("NotReady", "0 of 1")]);
	world.show(other, []);
	await untilHealth(watches, other, "healthy");
	assert.deepEqual((await load(id)).updatedAt, updatedAt);
	world.show(id, [stuck("Unschedulable")]);
	await untilHealth(watches, id, "degraded", "Unschedulable");
	assert.deepEqual(await listChanges(id), ["degraded", "degraded"]);
	await watches.close();
});

test("while an operation moves it nothing is told, and after its end what is so by then", async () => {
	const world = makeWorld();
	const watches = watch(world);
	const [id, witness] = [await givenReady(world), await givenReady(world)];
	await watches.pass();
	await updateEnvironment(database.db, id, { lifecycle: "upgrading" });
	world.show(id, [stuck("NotReady")]);
	world.show(witness, [stuck("NotReady")]);
	await untilHealth(watches, witness, "degraded");
	assert.equal((await load(id)).health, "healthy");
	// Nothing moves in the cluster any more: the end of the operation alone makes it true.
	await updateEnvironment(database.db, id, {
		lifecycle: "ready",
		health: "healthy",
	});
	await untilHealth(watches, id, "degraded");
	await watches.close();
});

test("a cluster that does not answer makes all of its environments unreachable, and back", async () => {
	const world = makeWorld();
	const watches = watch(world);
	const ids = [await givenReady(world), await givenReady(world)];
	await watches.pass();
	world.reach = { state: "away", message: "It refuses the connection." };
	for (const { onChange } of world.opened) onChange(undefined);
	const startedAt = performance.now();
	for (const id of ids) await untilHealth(watches, id, "unreachable");
	assert.ok(performance.now() - startedAt >= 9_000, "an answer is waited for");
	const [first] = ids;
	assert.ok(first);
	assert.deepEqual((await load(first)).healthReasons, [
		{
			kind: "Target",
			name: "sandbox",
			reason: "Unreachable",
			message: "It refuses the connection.",
		},
	]);
	world.reach = { state: "starting" };
	await watches.pass();
	assert.equal(
		(await load(first)).health,
		"unreachable",
		"it is not known yet",
	);
	world.reach = { state: "seeing" };
	for (const id of ids) await untilHealth(watches, id, "healthy");
	assert.deepEqual(await listChanges(first), ["unreachable", "healthy"]);
	await watches.close();
});

test("an environment of which nothing is left is degraded", async () => {
	const world = makeWorld();
	const watches = watch(world);
	const id = await givenReady(world);
	world.sightings.delete(id);
	await untilHealth(watches, id, "degraded");
	const { healthReasons, namespace } = await load(id);
	assert.deepEqual(
		healthReasons.map(({ name, reason }) => [name, reason]),
		[[namespace, "Gone"]],
	);
	await watches.close();
});

test("of several processes one watches, and the next one when it closes", async () => {
	const world = makeWorld();
	const [first, second] = [watch(world, "a"), watch(world, "b")];
	await first.pass();
	await second.pass();
	assert.equal(world.opened.length, 1);
	await first.close();
	assert.equal(world.closed, 1);
	await until(
		"the second one watches",
		async () => {
			await second.pass();
			return world.opened.length === 2;
		},
		{ timeoutMs: 15_000, everyMs: 200 },
	);
	await second.close();
});

test("a watcher whose lease went to another writes nothing any more", async () => {
	const world = makeWorld();
	const watches = watch(world, "a");
	const id = await givenReady(world);
	await watches.pass();
	await database.db
		.updateTable("targets")
		.set({ watch_expires_at: new Date(0) })
		.execute();
	assert.equal((await holdWatches(database.db, "b", 60_000)).length, 1);
	world.show(id, [stuck("ImagePullBackOff")]);
	await until(
		"it has lost its watch",
		async () => {
			await watches.pass();
			return world.closed === 1;
		},
		{ timeoutMs: 15_000, everyMs: 100 },
	);
	assert.equal((await load(id)).health, "healthy");
	assert.deepEqual(await listChanges(id), []);
	await database.db.updateTable("targets").set({ watch_owner: null }).execute();
});

test("a target that was added later is watched as well", async () => {
	const world = makeWorld();
	const watches = watch(world);
	await watches.pass();
	assert.equal(world.opened.length, 1);
	await registerTarget(installation, {
		name: "second",
		kubeconfig: "apiVersion: v1\nkind: Config\n",
		clusterIdentifier: "test-cluster-2",
		domain: "second.localhost",
		ingressClass: null,
		storageClass: null,
	});
	await until(
		"both are watched",
		async () => {
			await watches.pass();
			return world.opened.length === 2;
		},
		{ timeoutMs: 15_000, everyMs: 200 },
	);
	await watches.close();
});
