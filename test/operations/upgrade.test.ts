// The verb `upgrade`: what it writes, what it refuses, and how its operation ends.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import {
	type Environment,
	type Lifecycle,
	lifecycles,
	refusal,
} from "../../src/domain/environment.ts";
import { upstreamRelease } from "../../src/domain/release.ts";
import {
	type EnvironmentChange,
	environmentSpec,
} from "../../src/domain/spec.ts";
import type { Actor } from "../../src/domain/tenant.ts";
import { Failure, type FailureCode } from "../../src/failure.ts";
import { createEnvironment } from "../../src/operations/create.ts";
import { destroyEnvironment } from "../../src/operations/destroy.ts";
import { loadParameters } from "../../src/operations/parameters.ts";
import { sweep } from "../../src/operations/sweep.ts";
import { upgradeEnvironment } from "../../src/operations/upgrade.ts";
import { loadEnvironment } from "../../src/store/environments.ts";
import { listEvents } from "../../src/store/events.ts";
import { findOperation } from "../../src/store/operations.ts";
import { createRelease } from "../../src/store/releases.ts";
import { listRevisions, loadRevision } from "../../src/store/revisions.ts";
import { listSealedSecrets } from "../../src/store/secrets.ts";
import { attempt } from "../support/attempt.ts";
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

let database: TestDatabase;
let installation: Installation;
let actor: Actor;
before(async () => {
	database = await createTestDatabase();
	installation = await givenInstallation(database.db);
	actor = (await givenActor(database.db, "acme")).actor;
	for (const name of ["0.6.1", "0.6.2", "0.6.3"])
		await createRelease(database.db, upstreamRelease(name, "0.15.0"));
});
after(() => database.close());

const load = (id: Environment["id"]) => loadEnvironment(database.db, id);
const find = async (id: string) => {
	const operation = await findOperation(database.db, id, undefined);
	if (operation === undefined) throw new Error(`there is no ${id}`);
	return operation;
};

let count = 0;
/** One that is ready, at revision 1. */
async function givenReady(spec: object = {}): Promise<Environment> {
	const create = await createEnvironment(
		installation,
		actor,
		environmentSpec.parse({ name: `env-${count++}`, ...spec }),
	);
	assert.equal(await work(create.id), "final");
	return load(create.environment);
}
const work = (id: Parameters<typeof attempt>[2], script: Script = {}) =>
	attempt(installation, makeScriptedWorld(script), id);
const ask = (environment: Environment, change: EnvironmentChange) =>
	upgradeEnvironment(installation, actor, { environment, change });
const upgrade = async (environment: Environment, change: EnvironmentChange) =>
	loadOrdered(await ask(environment, change));

const refuses =
	(code: FailureCode, message = /./, pointers: readonly string[] = []) =>
	(error: unknown): boolean => {
		assert.ok(error instanceof Failure, String(error));
		assert.equal(error.code, code, error.message);
		assert.match(error.message, message);
		assert.equal(error.untouched, "Nothing was ordered.");
		assert.ok(error.advice);
		assert.deepEqual(
			error.errors.map(({ pointer }) => pointer),
			pointers,
		);
		return true;
	};

test("the next revision is what was before, but for what is given", async () => {
	const smtp = {
		host: "mail.example.test",
		sender: "maestro@example.test",
		username: "maestro",
		password: "planted-password",
	};
	const environment = await givenReady({
		parameters: { theme: "dark", smtp, storage: { mongodb: "8Gi" } },
	});
	const secrets = await listSealedSecrets(database.db, environment.id);

	const operation = await upgrade(environment, {
		release: "0.6.1",
		parameters: {
			storage: { mongodb: "9Gi", backups: "8Gi" },
			theme: null,
			closedSignUp: true,
		},
	});
	assert.equal(operation.kind, "upgrade");
	assert.equal(operation.state, "queued");
	assert.deepEqual([operation.revisionFrom, operation.revisionTo], [1, 2]);
	assert.ok(installation.sent.includes(operation.id));
	const ordered = await load(environment.id);
	assert.deepEqual(
		[ordered.lifecycle, ordered.revision, ordered.desiredRevision],
		["upgrading", 1, 2],
	);

	const [second, first] = await listRevisions(database.db, environment.id);
	assert.equal(first?.release.name, "0.6.0");
	assert.equal(second?.release.name, "0.6.1");
	assert.equal(second?.size, "small");
	const parameters = await loadParameters(
		installation,
		environment.id,
		await loadRevision(database.db, environment.id, 2),
	);
	assert.deepEqual(parameters.storage, { mongodb: "9Gi", backups: "8Gi" });
	assert.equal(parameters.theme, "lotus");
	assert.equal(parameters.closedSignUp, true);
	assert.equal(parameters.smtp?.password, "planted-password");

	// What the environment's secrets were they are, byte by byte.
	const after = await listSealedSecrets(database.db, environment.id);
	for (const [name, sealed] of secrets)
		assert.deepEqual(after.get(name), sealed, name);
});

test("it is applied stage by stage, and a success moves the environment", async () => {
	const environment = await givenReady();
	const operation = await upgrade(environment, { release: "0.6.1" });
	const world = makeScriptedWorld({
		async up({ onStage }) {
			await onStage?.({
				name: "workers",
				workloads: [{ kind: "apps/v1/Deployment", name: "reports-worker" }],
			});
			return undefined;
		},
	});
	assert.equal(await attempt(installation, world, operation.id), "final");
	assert.deepEqual(world.calls, [
		"up",
		"rolled out: reports-worker",
		"ready",
		"verify",
		"close",
	]);
	const after = await load(environment.id);
	assert.deepEqual(
		[after.lifecycle, after.health, after.revision, after.desiredRevision],
		["ready", "healthy", 2, 2],
	);
	const events = await listEvents(
		database.db,
		{ operation: operation.id, environment: environment.id },
		{ after: 0, limit: 100 },
	);
	const stage = events.find(({ type }) => type === "stage.completed");
	assert.equal(
		stage?.type === "stage.completed" && stage.data.stage,
		"workers",
	);
});

test("a create has no stages", async () => {
	let asked: unknown;
	const create = await createEnvironment(
		installation,
		actor,
		environmentSpec.parse({ name: "no-stages" }),
	);
	await work(create.id, {
		async up(hooks) {
			asked = hooks.onStage;
			return undefined;
		},
	});
	assert.equal(asked, undefined);
});

const stuck = new Failure({
	code: "workload_stuck",
	message: "Deployment audit: ImagePullBackOff.",
	advice: "Correct the image.",
});
const failing: Script = {
	async up({ onStage }) {
		for (const name of ["stores", "migration", "backEnds"] as const)
			await onStage?.({
				name,
				workloads: [{ kind: "apps/v1/Deployment", name }],
			});
		return undefined;
	},
};

test("a stage that is stuck ends the upgrade, which says what runs; another may follow", async () => {
	const environment = await givenReady();
	const operation = await upgrade(environment, { release: "0.6.1" });
	let stages = 0;
	await work(operation.id, {
		...failing,
		rolledOut: () => (++stages < 3 ? Promise.resolve() : Promise.reject(stuck)),
	});
	const ended = await find(operation.id);
	assert.equal(ended.state, "failed");
	assert.equal(ended.error?.code, "workload_stuck");
	assert.match(ended.error.message, /stopped at the back ends.*ImagePull/);
	assert.equal(
		ended.error.untouched,
		"Not touched, and running revision 1 as before: the workers, the fronts, the scheduler's beat. Changed in part: the back ends. Running revision 2 already: the data stores, the migration. Nothing was deleted.",
	);
	assert.match(ended.error.advice ?? "", /^Correct the image\. Upgrade again/);
	const after = await load(environment.id);
	assert.deepEqual(
		[after.lifecycle, after.health, after.revision, after.desiredRevision],
		["failed", "unknown", 1, 2],
	);
	// Back to the older release, and the very same once more: both are something to do now.
	const back = await upgrade(after, { release: "0.6.0" });
	assert.equal(back.revisionTo, 3);
	await work(back.id);
	assert.deepEqual(
		[
			(await load(environment.id)).lifecycle,
			(await load(environment.id)).revision,
		],
		["ready", 3],
	);
});

test("an upgrade whose verification fails says that the new revision runs", async () => {
	const environment = await givenReady();
	const operation = await upgrade(environment, { release: "0.6.1" });
	const wrong = new Failure({ code: "verification_failed", message: "No." });
	await work(operation.id, { verify: () => Promise.reject(wrong) });
	const { error } = await find(operation.id);
	assert.equal(error?.code, "verification_failed");
	assert.match(error.untouched ?? "", /^Everything runs revision 2 by now/);
	assert.equal((await load(environment.id)).revision, 1);
	const again = await upgrade(await load(environment.id), { release: "0.6.1" });
	assert.equal(again.revisionTo, 3);
});

test("a wait that goes on when the engine is over is ended", async () => {
	const environment = await givenReady();
	const operation = await upgrade(environment, { release: "0.6.1" });
	const ended = Promise.withResolvers<void>();
	const world = makeScriptedWorld({
		async up({ onStage }) {
			void onStage?.({
				name: "fronts",
				workloads: [{ kind: "apps/v1/Deployment", name: "server" }],
			}).catch(() => {});
			throw new Failure({ code: "engine_failed", message: "The CLI ended." });
		},
		rolledOut: ({ signal }) =>
			new Promise((_, reject) => {
				signal.addEventListener("abort", () => {
					ended.resolve();
					reject(new Failure({ code: "cancelled", message: "Cancelled." }));
				});
			}),
	});
	assert.equal(await attempt(installation, world, operation.id), "final");
	await ended.promise;
	assert.equal((await find(operation.id)).error?.code, "engine_failed");
});

test("what would change nothing is answered so and writes nothing", async () => {
	const environment = await givenReady({ parameters: { theme: "dark" } });
	for (const change of [
		{ release: "0.6.0" },
		{ size: "small" },
		{ parameters: {} },
		{ parameters: { theme: "dark", logo: null } },
	] as const)
		assert.deepEqual(loadUnneeded(await ask(environment, change)), {
			environment: environment.id,
			nothingToDo:
				"There is nothing to change: it runs exactly that already, as revision 1.",
			revision: 1,
		});
	const ordered = await upgrade(environment, { release: "0.6.1" });
	const again = await ask(environment, { release: "0.6.1" });
	assert.match(
		loadUnneeded(again).nothingToDo,
		/on its way already, as revision 2/,
	);
	assert.equal((await listRevisions(database.db, environment.id)).length, 2);
	assert.equal((await find(ordered.id)).state, "queued");
});

test("a release that does not exist, a claim that shrinks and words that contradict each other are refused with their places", async () => {
	const environment = await givenReady({
		parameters: { storage: { mongodb: "8Gi" }, replicas: { audit: 2 } },
	});
	await assert.rejects(
		upgrade(environment, { release: "7.7.7" }),
		refuses("invalid_request", /7\.7\.7/, ["/release"]),
	);
	await assert.rejects(
		upgrade(environment, { parameters: { storage: { rabbitmq: "2Gi" } } }),
		refuses("invalid_request", /8Gi/, ["/parameters/storage/mongodb"]),
	);
	const features = {
		discovery: true,
		reports: true,
		analytics: true,
		audit: false,
		scheduler: true,
	};
	await assert.rejects(
		upgrade(environment, { parameters: { features } }),
		refuses("invalid_request", /./, ["/parameters/replicas/audit"]),
	);
	const large = await givenReady({ size: "ha" });
	await assert.rejects(
		upgrade(large, { size: "small" }),
		refuses("invalid_request", /replica set/, [
			"/size",
			"/parameters/storage/mongodb",
			"/parameters/storage/rabbitmq",
			"/parameters/storage/backups",
		]),
	);
	assert.equal((await load(environment.id)).desiredRevision, 1);
});

test("a claim that a failed upgrade made larger cannot shrink either; one that was never begun is forgotten", async () => {
	const environment = await givenReady();
	const grow = (mongodb: string) =>
		upgrade(environment, { parameters: { storage: { mongodb } } });
	const unbegun = await grow("90Gi");
	const begun = await grow("8Gi");
	assert.equal((await find(unbegun.id)).state, "superseded");
	await work(begun.id, {
		async up({ onEvent }) {
			await onEvent({
				type: "resource.updated",
				data: { kind: "v1/PersistentVolumeClaim", name: "data-mongodb-0" },
			});
			throw stuck;
		},
	});
	await assert.rejects(
		grow("6Gi"),
		refuses("invalid_request", /8Gi/, ["/parameters/storage/mongodb"]),
	);
	assert.equal((await grow("9Gi")).revisionTo, 4);
});

test("a larger size that failed before it touched any data is taken back", async () => {
	const environment = await givenReady();
	const large = await upgrade(environment, { size: "ha" });
	await work(large.id, { up: () => Promise.reject(stuck) });
	const back = await upgrade(await load(environment.id), { size: "small" });
	assert.equal(await work(back.id), "final");
	assert.deepEqual(
		[(await load(environment.id)).lifecycle, back.revisionTo],
		["ready", 3],
	);
});

test("a newer upgrade supersedes one that has not begun, and builds on it", async () => {
	const environment = await givenReady();
	const first = await upgrade(environment, { release: "0.6.1" });
	const second = await upgrade(environment, {
		parameters: { theme: "gold" },
	});
	assert.equal((await find(first.id)).state, "superseded");
	const events = await listEvents(
		database.db,
		{ operation: first.id, environment: environment.id },
		{ after: 0, limit: 10 },
	);
	assert.deepEqual(events.at(-1)?.data, { kind: "upgrade", by: second.id });
	const { release, parameters } = await loadRevision(
		database.db,
		environment.id,
		3,
	);
	assert.deepEqual([release.name, parameters.theme], ["0.6.1", "gold"]);
	assert.equal(await work(first.id), "nothing");
	assert.equal(await work(second.id), "final");
	assert.equal((await load(environment.id)).revision, 3);
});

test("ordered while another upgrade runs, it waits its turn, whether that one succeeds or fails", async () => {
	for (const end of ["succeeds", "fails"]) {
		const environment = await givenReady();
		const first = await upgrade(environment, { release: "0.6.1" });
		const held = Promise.withResolvers<void>();
		const world = makeScriptedWorld({ ready: () => held.promise });
		const running = attempt(installation, world, first.id);
		await until("the first runs", () => world.calls.includes("ready"));
		const second = await upgrade(environment, { release: "0.6.2" });
		assert.equal(await work(second.id), "nothing");
		assert.equal((await find(first.id)).state, "running");
		if (end === "fails") held.reject(stuck);
		else held.resolve();
		assert.equal(await running, "final");
		assert.equal((await load(environment.id)).lifecycle, "upgrading", end);
		assert.equal(await work(second.id), "final");
		const after = await load(environment.id);
		assert.deepEqual([after.lifecycle, after.revision], ["ready", 3], end);
	}
});

test("a destroy supersedes an upgrade that waits and follows one that runs", async () => {
	const environment = await givenReady();
	const waiting = await upgrade(environment, { release: "0.6.1" });
	const destroy = await destroyEnvironment(installation, actor, environment);
	assert.equal((await find(waiting.id)).state, "superseded");
	await assert.rejects(
		upgrade(environment, { release: "0.6.2" }),
		refuses("conflict", /being destroyed/),
	);
	assert.equal(await work(destroy.id), "final");
	assert.equal((await load(environment.id)).lifecycle, "destroyed");
	await assert.rejects(
		upgrade(environment, { release: "0.6.2" }),
		refuses("conflict", /is destroyed/),
	);
});

test("an upgrade that no worker took within a day leaves the environment as it was", async () => {
	const environment = await givenReady();
	const operation = await upgrade(environment, { release: "0.6.1" });
	await database.db
		.updateTable("operations")
		.set({ created_at: new Date(Date.now() - 25 * 60 * 60 * 1000) })
		.where("id", "=", operation.id)
		.execute();
	await sweep({ ...installation, log: silentLog });
	assert.equal((await find(operation.id)).state, "timed_out");
	const after = await load(environment.id);
	assert.deepEqual(
		[after.lifecycle, after.health, after.revision],
		["ready", "healthy", 1],
	);
	// What was never begun is no ground to build on.
	const next = await upgrade(after, { parameters: { theme: "gold" } });
	assert.equal(next.revisionTo, 3);
	const { release } = await loadRevision(database.db, environment.id, 3);
	assert.equal(release.name, "0.6.0");
});

test("of two upgrades at once both are written, and one of them is left", async () => {
	const environment = await givenReady();
	const orders = await Promise.all(
		["0.6.1", "0.6.2", "0.6.3"].map((release) =>
			upgrade(environment, { release }),
		),
	);
	assert.deepEqual(
		orders.map(({ revisionTo }) => revisionTo).sort(),
		[2, 3, 4],
	);
	const states = await Promise.all(
		orders.map(async ({ id }) => (await find(id)).state),
	);
	assert.deepEqual(states.sort(), ["queued", "superseded", "superseded"]);
});

const allowed: Record<Lifecycle, { ran: boolean; never: boolean }> = {
	creating: { ran: false, never: false },
	ready: { ran: true, never: true },
	upgrading: { ran: true, never: true },
	rolling_back: { ran: true, never: true },
	hibernating: { ran: false, never: false },
	hibernated: { ran: false, never: false },
	waking: { ran: true, never: true },
	restoring: { ran: false, never: false },
	destroying: { ran: false, never: false },
	destroyed: { ran: false, never: false },
	failed: { ran: true, never: false },
};
for (const lifecycle of lifecycles)
	test(`an environment that is ${lifecycle} ${allowed[lifecycle].ran ? "may be upgraded" : "may not be upgraded, and it is said why"}`, () => {
		for (const [revision, isAllowed] of [
			[1, allowed[lifecycle].ran],
			[null, allowed[lifecycle].never],
		] as const) {
			const reason = refusal("upgrade", { lifecycle, revision });
			assert.equal(reason === undefined, isAllowed, String(reason));
		}
	});

test("an environment whose create failed cannot be upgraded, and learns what to do", async () => {
	const create = await createEnvironment(
		installation,
		actor,
		environmentSpec.parse({ name: "stillborn" }),
	);
	await work(create.id, { ready: () => Promise.reject(stuck) });
	await assert.rejects(
		upgrade(await load(create.environment), { release: "0.6.1" }),
		refuses("conflict", /Destroy it and order it anew/),
	);
});
