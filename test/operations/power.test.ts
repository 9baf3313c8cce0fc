// The verbs `hibernate` and `wake`: what they write, what they refuse, and how their operations end.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import {
	type Environment,
	type Lifecycle,
	lifecycles,
	refusal,
} from "../../src/domain/environment.ts";
import type { Operation } from "../../src/domain/operation.ts";
import { environmentSpec } from "../../src/domain/spec.ts";
import type { Actor } from "../../src/domain/tenant.ts";
import { Failure } from "../../src/failure.ts";
import { cancelOperation } from "../../src/operations/cancel.ts";
import { createEnvironment } from "../../src/operations/create.ts";
import { destroyEnvironment } from "../../src/operations/destroy.ts";
import { changePower, type PowerKind } from "../../src/operations/power.ts";
import { retryOperation } from "../../src/operations/retry.ts";
import { upgradeEnvironment } from "../../src/operations/upgrade.ts";
import { loadEnvironment } from "../../src/store/environments.ts";
import { listEvents } from "../../src/store/events.ts";
import { findOperation } from "../../src/store/operations.ts";
import { loadRevision } from "../../src/store/revisions.ts";
import { listSealedSecrets } from "../../src/store/secrets.ts";
import { attempt } from "../support/attempt.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import {
	hang,
	makeScriptedWorld,
	type Script,
	scriptedOutputs,
} from "../support/engine.ts";
import {
	givenActor,
	givenInstallation,
	type Installation,
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
});
after(() => database.close());

const load = ({ id }: Pick<Environment, "id">) =>
	loadEnvironment(database.db, id);
const find = async ({ id }: Pick<Operation, "id">) => {
	const operation = await findOperation(database.db, id, undefined);
	if (operation === undefined) throw new Error(`there is no ${id}`);
	return operation;
};
const work = ({ id }: Pick<Operation, "id">, script: Script = {}) =>
	attempt(installation, makeScriptedWorld(script), id);
const ask = (environment: Pick<Environment, "id">, kind: PowerKind) =>
	changePower(installation, actor, { environment, kind });
const order = async (environment: Pick<Environment, "id">, kind: PowerKind) =>
	loadOrdered(await ask(environment, kind));

let count = 0;
/** One that is ready, at revision 1. */
async function givenReady(spec: object = {}): Promise<Environment> {
	const create = await createEnvironment(
		installation,
		actor,
		environmentSpec.parse({ name: `env-${count++}`, ...spec }),
	);
	assert.equal(await work(create), "final");
	return load({ id: create.environment });
}
async function givenHibernated(spec: object = {}): Promise<Environment> {
	const environment = await givenReady(spec);
	assert.equal(await work(await order(environment, "hibernate")), "final");
	return load(environment);
}
const stands = async (environment: Pick<Environment, "id">) => {
	const { lifecycle, health, revision, desiredRevision } =
		await load(environment);
	return [lifecycle, health, revision, desiredRevision];
};
const refuses = (message: RegExp) => (error: unknown) => {
	assert.ok(error instanceof Failure, String(error));
	assert.equal(error.code, "conflict");
	assert.match(error.message, message);
	assert.equal(error.untouched, "Nothing was ordered.");
	assert.ok(error.advice);
	return true;
};
const broken = new Failure({ code: "engine_failed", message: "No." });

test("hibernating repeats the revision with the power off, its secrets included", async () => {
	const smtp = {
		host: "mail.example.test",
		sender: "maestro@example.test",
		username: "maestro",
		password: "planted-password",
	};
	const environment = await givenReady({ parameters: { smtp } });
	const secrets = await listSealedSecrets(database.db, environment.id);
	const operation = await order(environment, "hibernate");
	assert.deepEqual(
		[operation.kind, operation.revisionFrom, operation.revisionTo],
		["hibernate", 1, 2],
	);
	assert.ok(installation.sent.includes(operation.id));
	assert.deepEqual(await stands(environment), ["hibernating", "healthy", 1, 2]);
	const [one, two] = await Promise.all(
		[1, 2].map((number) => loadRevision(database.db, environment.id, number)),
	);
	assert.deepEqual([two?.power, two?.basedOn], ["hibernated", 1]);
	for (const key of [
		"release",
		"size",
		"parameters",
		"blueprintVersion",
	] as const)
		assert.deepEqual(two?.[key], one?.[key], key);

	const world = makeScriptedWorld();
	await attempt(installation, world, operation.id);
	for (const { input } of world.runs)
		assert.equal(input.parameters.smtp?.password, "planted-password");
	const after = await listSealedSecrets(database.db, environment.id);
	for (const [name, sealed] of secrets)
		assert.deepEqual(after.get(name), sealed, name);
});

test("what writes is stopped before the stores are, and the addresses are kept", async () => {
	const environment = await givenReady();
	const operation = await order(environment, "hibernate");
	const world = makeScriptedWorld({
		async up({ onStage }) {
			for (const [name, workload] of [
				["stores", "mongodb"],
				["beat", "scheduler"],
			] as const)
				await onStage?.({
					name,
					workloads: [{ kind: "apps/v1/Deployment", name: workload }],
				});
			return undefined;
		},
	});
	assert.equal(await attempt(installation, world, operation.id), "final");
	assert.deepEqual(world.calls, [
		"up",
		"stopped: scheduler",
		"stopped",
		"up",
		"ready",
		"close",
	]);
	assert.deepEqual(
		world.runs.map(({ input }) => [input.power, input.revision]),
		[
			["quiesced", 1],
			["hibernated", 2],
		],
	);
	assert.deepEqual(await stands(environment), ["hibernated", "unknown", 2, 2]);
	const { endpoints, versions } = await load(environment);
	assert.deepEqual(endpoints, scriptedOutputs.endpoints);
	assert.deepEqual(versions, { server: "0.6.0" });
	const { phases, changes } = await find(operation);
	assert.deepEqual(
		phases.map(({ name }) => name),
		["preparing", "quiescing", "applying", "waiting", "finishing"],
	);
	assert.equal(changes.create, 6);
	const events = await listEvents(
		database.db,
		{ operation: operation.id, environment: environment.id },
		{ after: 0, limit: 100 },
	);
	assert.deepEqual(events.at(-2)?.type, "environment.hibernated");
});

test("waking brings the same revision back, stage by stage, and verifies it", async () => {
	const environment = await givenHibernated();
	const operation = await order(environment, "wake");
	assert.deepEqual(await stands(environment), ["waking", "unknown", 2, 3]);
	const three = await loadRevision(database.db, environment.id, 3);
	assert.deepEqual([three.power, three.basedOn], ["on", 1]);
	const world = makeScriptedWorld({
		async up({ onStage }) {
			await onStage?.({
				name: "stores",
				workloads: [{ kind: "apps/v1/StatefulSet", name: "mongodb" }],
			});
			return undefined;
		},
	});
	assert.equal(await attempt(installation, world, operation.id), "final");
	assert.deepEqual(world.calls, [
		"up",
		"rolled out: mongodb",
		"ready",
		"verify",
		"close",
	]);
	assert.equal(world.runs[0]?.input.power, "on");
	assert.deepEqual(await stands(environment), ["ready", "healthy", 3, 3]);
});

test("where there is nothing to do nothing is ordered", async () => {
	const sleeping = await givenHibernated();
	assert.deepEqual(loadUnneeded(await ask(sleeping, "hibernate")), {
		environment: sleeping.id,
		nothingToDo: "It is hibernated already.",
		revision: 2,
	});
	const awake = await givenReady();
	assert.equal(loadUnneeded(await ask(awake, "wake")).revision, 1);
	assert.equal((await load(awake)).desiredRevision, 1);
	const created = await createEnvironment(
		installation,
		actor,
		environmentSpec.parse({ name: "not-yet" }),
	);
	loadUnneeded(await ask({ id: created.environment }, "wake"));
});

test("asked again while it is on its way, the same operation is returned", async () => {
	const environment = await givenReady();
	const first = await order(environment, "hibernate");
	assert.equal((await order(environment, "hibernate")).id, first.id);
	await work(first);
	const wake = await order(environment, "wake");
	assert.equal((await order(environment, "wake")).id, wake.id);
});

test("a wake waits behind a hibernate that runs, and so does the next hibernate behind it", async () => {
	const environment = await givenReady();
	const first = await order(environment, "hibernate");
	const held = Promise.withResolvers<void>();
	const world = makeScriptedWorld({ ready: () => held.promise });
	const running = attempt(installation, world, first.id);
	await until("the first runs", () => world.calls.includes("ready"));
	const wake = await order(environment, "wake");
	const again = await order(environment, "hibernate");
	assert.notEqual(again.id, first.id);
	assert.equal((await order(environment, "hibernate")).id, again.id);
	assert.equal(await work(wake), "nothing");
	held.resolve();
	assert.equal(await running, "final");
	assert.equal((await load(environment)).lifecycle, "hibernating");
	assert.equal(await work(wake), "final");
	assert.equal(await work(again), "final");
	assert.deepEqual(await stands(environment), ["hibernated", "unknown", 4, 4]);
	assert.equal((await loadRevision(database.db, environment.id, 4)).basedOn, 3);
});

test("one that sleeps is woken before it is upgraded; one that wakes is upgraded after it", async () => {
	const environment = await givenHibernated();
	const upgrade = () =>
		upgradeEnvironment(installation, actor, {
			environment,
			change: { size: "ha" },
		});
	await assert.rejects(upgrade(), refuses(/hibernated. Wake it first/));
	const wake = await order(environment, "wake");
	const upgraded = loadOrdered(await upgrade());
	assert.equal((await find(wake)).state, "queued");
	assert.equal(await work(upgraded), "nothing");
	assert.equal(await work(wake), "final");
	assert.equal(await work(upgraded), "final");
	assert.deepEqual(await stands(environment), ["ready", "healthy", 4, 4]);
	const four = await loadRevision(database.db, environment.id, 4);
	assert.deepEqual([four.power, four.size], ["on", "ha"]);
});

test("a revision of a program that cannot rest is refused, and says how it gets another", async () => {
	const environment = await givenReady();
	await database.db
		.updateTable("revisions")
		.set({ blueprint_version: "1.0.0" })
		.where("environment_id", "=", environment.id)
		.execute();
	await assert.rejects(
		order(environment, "hibernate"),
		refuses(/maestro@1\.0\.0, which cannot hibernate/),
	);
	assert.equal((await load(environment)).desiredRevision, 1);
});

test("a destroy takes what sleeps, and supersedes a wake that has not begun", async () => {
	const environment = await givenHibernated();
	const wake = await order(environment, "wake");
	const destroy = await destroyEnvironment(installation, actor, environment);
	assert.equal((await find(wake)).state, "superseded");
	await assert.rejects(order(environment, "wake"), refuses(/being destroyed/));
	assert.equal(await work(destroy), "final");
	await assert.rejects(
		order(environment, "hibernate"),
		refuses(/is destroyed/),
	);
});

for (const [kind, given, then] of [
	["hibernate", givenReady, "hibernated"],
	["wake", givenHibernated, "ready"],
] as const) {
	test(`a ${kind} that failed can be tried again, and either way out is open`, async () => {
		const environment = await given();
		const failed = await order(environment, kind);
		await work(failed, { up: () => Promise.reject(broken) });
		assert.equal((await find(failed)).state, "failed");
		assert.equal((await load(environment)).lifecycle, "failed");
		const retried = await retryOperation(
			installation,
			actor,
			await find(failed),
		);
		assert.deepEqual(
			[retried.kind, retried.revisionTo, (await load(environment)).lifecycle],
			[kind, failed.revisionTo, kind === "wake" ? "waking" : "hibernating"],
		);
		await work(retried, { up: () => Promise.reject(broken) });
		const other = kind === "wake" ? "hibernate" : "wake";
		const back = await order(environment, other);
		assert.equal(await work(back), "final");
		assert.equal(await work(await order(environment, kind)), "final");
		assert.equal((await load(environment)).lifecycle, then);
	});

	test(`a ${kind} that is cancelled before it begins leaves all as it was`, async () => {
		const environment = await given();
		const before = await load(environment);
		const operation = await order(environment, kind);
		await cancelOperation(installation, actor, operation);
		const after = await load(environment);
		assert.deepEqual(
			[after.lifecycle, after.revision],
			[before.lifecycle, before.revision],
		);
		// It is not there to build on, and may be ordered again.
		assert.equal(await work(await order(environment, kind)), "final");
		assert.equal((await load(environment)).lifecycle, then);
	});

	test(`a ${kind} that is cancelled while it runs can be tried again`, async () => {
		const environment = await given();
		const operation = await order(environment, kind);
		const world = makeScriptedWorld({ up: ({ signal }) => hang(signal) });
		const running = attempt(installation, world, operation.id);
		await until("the engine runs", () => world.calls.includes("up"));
		await cancelOperation(installation, actor, await find(operation));
		assert.equal(await running, "final");
		assert.equal((await find(operation)).state, "cancelled");
		assert.equal((await load(environment)).lifecycle, "failed");
		const retried = await retryOperation(
			installation,
			actor,
			await find(operation),
		);
		assert.equal(await work(retried), "final");
		assert.equal((await load(environment)).lifecycle, then);
	});

	// An attempt that is handed over is left by its owner as one that was killed leaves it, but for the lease.
	for (const at of [
		"up",
		"ready",
		kind === "hibernate" ? "stopped" : "verify",
	] as const)
		test(`a ${kind} whose worker leaves at "${at}" is finished by the next one`, async () => {
			const environment = await given();
			const operation = await order(environment, kind);
			const stop = new AbortController();
			const world = makeScriptedWorld({
				[at]: ({ signal }: { signal: AbortSignal }) => hang(signal),
			});
			const running = attempt(installation, world, operation.id, {
				stopping: stop.signal,
			});
			await until("it is there", () => world.calls.includes(at));
			stop.abort();
			assert.equal(await running, "postponed");
			assert.equal(await work(operation), "final");
			assert.equal((await find(operation)).state, "succeeded");
			assert.equal((await load(environment)).lifecycle, then);
		});
}

const answers: Record<Lifecycle, Record<PowerKind, RegExp | undefined>> = {
	creating: { hibernate: /being created/, wake: undefined },
	ready: { hibernate: undefined, wake: undefined },
	rolling_back: { hibernate: /being rolled back/, wake: undefined },
	upgrading: { hibernate: /being upgraded/, wake: undefined },
	restoring: { hibernate: /being restored/, wake: undefined },
	hibernating: { hibernate: undefined, wake: undefined },
	hibernated: { hibernate: undefined, wake: undefined },
	waking: { hibernate: undefined, wake: undefined },
	destroying: { hibernate: /being destroyed/, wake: /being destroyed/ },
	destroyed: { hibernate: /is destroyed/, wake: /is destroyed/ },
	failed: { hibernate: /did not succeed/, wake: /did not succeed/ },
};
for (const lifecycle of lifecycles)
	for (const kind of ["hibernate", "wake"] as const)
		test(`to ${kind} one that is ${lifecycle} is ${answers[lifecycle][kind] ? "refused, and it is said why" : "no conflict"}`, () => {
			const reason = refusal(kind, { lifecycle, revision: 1 });
			const expected = answers[lifecycle][kind];
			if (expected === undefined) assert.equal(reason, undefined);
			else assert.match(reason ?? "", expected);
		});
