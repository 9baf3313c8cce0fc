// The verb `rotate-secrets`: what it refuses, which values a run gets, and what a rotation leaves that does not succeed.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import {
	type Environment,
	type Lifecycle,
	lifecycles,
	refusal,
} from "../../src/domain/environment.ts";
import type { Operation } from "../../src/domain/operation.ts";
import { refuseRotation, rotatableSecrets } from "../../src/domain/rotation.ts";
import { type SecretName, secretNames } from "../../src/domain/secret.ts";
import { environmentSpec, rotateOrder } from "../../src/domain/spec.ts";
import type { Actor } from "../../src/domain/tenant.ts";
import { Failure } from "../../src/failure.ts";
import { cancelOperation } from "../../src/operations/cancel.ts";
import { createEnvironment } from "../../src/operations/create.ts";
import { destroyEnvironment } from "../../src/operations/destroy.ts";
import { retryOperation } from "../../src/operations/retry.ts";
import { rotateSecrets } from "../../src/operations/rotate.ts";
import { openSecrets } from "../../src/operations/secrets.ts";
import { upgradeEnvironment } from "../../src/operations/upgrade.ts";
import { loadEnvironment } from "../../src/store/environments.ts";
import { listEvents } from "../../src/store/events.ts";
import { findOperation } from "../../src/store/operations.ts";
import { listSealedSecrets } from "../../src/store/secrets.ts";
import { attempt } from "../support/attempt.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { makeScriptedWorld, type Script } from "../support/engine.ts";
import {
	givenActor,
	givenInstallation,
	type Installation,
} from "../support/given.ts";
import { loadOrdered } from "../support/ordered.ts";

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
const rotate = (environment: Pick<Environment, "id">, order: object) =>
	rotateSecrets(installation, actor, {
		environment,
		order: rotateOrder.parse(order),
	});
const secretsOf = ({ id }: Pick<Environment, "id">) =>
	openSecrets(installation, id);

const readLog = ({ id }: Pick<Environment, "id">) =>
	listEvents(database.db, { environment: id }, { after: 0, limit: 200 });

/** Fulfils with what each run of the engine was given. */
async function work({ id }: Pick<Operation, "id">, script: Script = {}) {
	const world = makeScriptedWorld(script);
	assert.equal(await attempt(installation, world, id), "final");
	return world.runs.map(({ input }) => input);
}

let count = 0;
async function givenReady(spec: object = {}): Promise<Environment> {
	const create = await createEnvironment(
		installation,
		actor,
		environmentSpec.parse({ name: `env-${count++}`, ...spec }),
	);
	await work(create);
	return load({ id: create.environment });
}
const refuses =
	(code: Failure["code"], message: RegExp) => (error: unknown) => {
		assert.ok(error instanceof Failure, String(error));
		assert.equal(error.code, code);
		assert.match(error.message, message);
		assert.match(error.untouched ?? "", /Nothing was ordered/);
		assert.ok(error.advice);
		return true;
	};
const broken = new Failure({
	code: "workload_stuck",
	message: "The server does not start.",
});
const fails: Script = { ready: () => Promise.reject(broken) };
const private_ = { which: ["MAESTRO_SECRETJWT_PRIVATE"] } as const;

test("those that were named are fresh, the others are as they were, and the old ones are gone", async () => {
	const environment = await givenReady();
	const before = await secretsOf(environment);
	const names = ["MAESTRO_NOAUTH", "MAESTRO_WEBSOCKET_SECRET"] as const;
	const order = await rotate(environment, { which: names });
	assert.deepEqual(
		[order.kind, order.revisionFrom, order.revisionTo, order.options.secrets],
		["rotate", 1, 1, names],
	);
	assert.equal((await load(environment)).lifecycle, "rotating");
	assert.deepEqual(await secretsOf(environment), before);

	const [input] = await work(order);
	const fresh = await secretsOf(environment);
	assert.deepEqual(input?.secrets, fresh);
	assert.deepEqual(
		secretNames.filter((name) => before[name] !== fresh[name]),
		names,
	);
	const kept = await listSealedSecrets(database.db, environment.id);
	assert.deepEqual([...kept.keys()].sort(), [...secretNames].sort());
	const { lifecycle, revision, desiredRevision } = await load(environment);
	assert.deepEqual([lifecycle, revision, desiredRevision], ["ready", 1, 1]);
});

test("the log tells the consequences before and the names after, and no value", async () => {
	const environment = await givenReady();
	const before = await secretsOf(environment);
	const order = await rotate(environment, {
		which: ["MAESTRO_SECRETJWT", "MAESTRO_SECRETJWT_PUBLIC"],
		acknowledge: true,
	});
	await work(order);
	const events = await readLog(environment);
	const told = (type: string) => events.find((event) => event.type === type);
	assert.match(
		JSON.stringify(told("rotation.ordered")?.data),
		/cloud connection.*logged out.*shared/,
	);
	assert.deepEqual(told("secrets.rotated")?.data, {
		secrets: ["MAESTRO_SECRETJWT", "MAESTRO_SECRETJWT_PUBLIC"],
	});
	const text = JSON.stringify([events, await find(order)]);
	for (const values of [before, await secretsOf(environment)])
		for (const value of Object.values(values)) assert.ok(!text.includes(value));
});

test("a program is told how often a value was made, of those alone that were rotated", async () => {
	const environment = await givenReady();
	const seen: unknown[] = [];
	for (let times = 0; times < 2; times++) {
		const order = await rotate(environment, { which: ["MONGODB_PASSWORD"] });
		seen.push((await work(order))[0]?.generations);
	}
	assert.deepEqual(seen, [{ MONGODB_PASSWORD: 2 }, { MONGODB_PASSWORD: 3 }]);
});

test("a rotation that failed half-way keeps both values, and a retry uses the same new ones", async () => {
	const environment = await givenReady();
	const before = await listSealedSecrets(database.db, environment.id);
	const order = await rotate(environment, private_);
	const [first] = await work(order, fails);
	const failed = await find(order);
	assert.equal(failed.state, "failed");
	assert.match(
		failed.error?.untouched ?? "",
		/new values of MAESTRO_SECRETJWT_PRIVATE and others the old ones. Both are kept/,
	);
	assert.match(failed.error?.advice ?? "", /:retry/);
	assert.equal((await load(environment)).lifecycle, "failed");
	const both = await listSealedSecrets(database.db, environment.id);
	for (const [name, sealed] of before)
		assert.deepEqual(both.get(name), sealed, name);
	assert.equal(both.size, before.size + 1);

	const retry = await retryOperation(installation, actor, failed);
	const [second] = await work(retry);
	assert.deepEqual(second?.secrets, first?.secrets);
	assert.deepEqual(await secretsOf(environment), first?.secrets);
	const after = await listSealedSecrets(database.db, environment.id);
	assert.equal(after.size, before.size);
});

test("an attempt that is repeated draws no third value", async () => {
	const environment = await givenReady();
	const order = await rotate(environment, private_);
	const passing = new Failure({
		code: "unavailable",
		message: "Not now.",
		retryable: true,
	});
	const world = makeScriptedWorld({ ready: () => Promise.reject(passing) });
	assert.equal(await attempt(installation, world, order.id), "postponed");
	await database.db
		.updateTable("operations")
		.set({ not_before: null, lease_expires_at: new Date(0) })
		.where("id", "=", order.id)
		.execute();
	const [again] = await work(order);
	assert.deepEqual(again?.secrets, world.runs[0]?.input.secrets);
});

test("what is applied after a failed rotation uses the new values, and ends it", async () => {
	const environment = await givenReady();
	const order = await rotate(environment, private_);
	const [first] = await work(order, fails);
	const upgrade = loadOrdered(
		await upgradeEnvironment(installation, actor, {
			environment,
			change: { parameters: {} },
		}),
	);
	const runs = await work(upgrade);
	assert.deepEqual(runs.at(-1)?.secrets, first?.secrets);
	const kept = await listSealedSecrets(database.db, environment.id);
	assert.equal(kept.size, secretNames.length);
	const events = await readLog(environment);
	assert.ok(
		events.some(
			({ type, operation }) =>
				type === "secrets.rotated" && operation === upgrade.id,
		),
	);
});

test("one that was cancelled before it began, or did not come as far as the engine, changed nothing", async () => {
	const environment = await givenReady();
	const before = await secretsOf(environment);
	const queued = await rotate(environment, private_);
	await cancelOperation(installation, actor, queued);
	assert.equal((await load(environment)).lifecycle, "ready");

	const unprepared = await rotate(environment, private_);
	const world = {
		...makeScriptedWorld(),
		connectCluster: () => {
			throw new Failure({ code: "not_set_up", message: "No cluster." });
		},
	};
	assert.equal(await attempt(installation, world, unprepared.id), "final");
	assert.equal((await find(unprepared)).state, "failed");
	assert.equal((await load(environment)).lifecycle, "ready");
	assert.deepEqual(await secretsOf(environment), before);
	const kept = await listSealedSecrets(database.db, environment.id);
	assert.equal(kept.size, secretNames.length);
});

test("a destroy leaves no value behind, of a failed rotation neither", async () => {
	const environment = await givenReady();
	await work(await rotate(environment, private_), fails);
	const destroy = await destroyEnvironment(
		installation,
		actor,
		await load(environment),
	);
	await work(destroy);
	const kept = await listSealedSecrets(database.db, environment.id);
	assert.equal(kept.size, 0);
});

test("an upgrade waits behind a rotation, and builds on what runs", async () => {
	const environment = await givenReady();
	const order = await rotate(environment, private_);
	const upgrade = loadOrdered(
		await upgradeEnvironment(installation, actor, {
			environment: await load(environment),
			change: { size: "ha" },
		}),
	);
	const world = makeScriptedWorld();
	assert.equal(await attempt(installation, world, upgrade.id), "nothing");
	await work(order);
	assert.equal((await load(environment)).lifecycle, "upgrading");
	await work(upgrade);
	assert.equal((await find(upgrade)).state, "succeeded");
});

test("what makes data unreadable must be acknowledged, and is told of until it is", async () => {
	const environment = await givenReady();
	await assert.rejects(
		rotate(environment, { which: ["MAESTRO_SECRETJWT"] }),
		refuses("invalid_request", /stored cloud connection becomes undecodable/),
	);
	assert.equal((await load(environment)).lifecycle, "ready");
});

for (const name of secretNames.filter(
	(name) => !rotatableSecrets.includes(name),
))
	test(`${name} cannot be rotated, and it is said why`, async () => {
		const environment = await givenReady();
		await assert.rejects(
			rotate(environment, { which: ["MAESTRO_NOAUTH", name] }),
			(error) => {
				refuses("invalid_request", /cannot be rotated: .{30}/)(error);
				assert.ok(error instanceof Failure);
				assert.deepEqual(
					error.errors.map(({ pointer }) => pointer),
					["/which/1"],
				);
				return true;
			},
		);
	});

test("the password of somebody else's MongoDB is not ours to rotate", async () => {
	const environment = await givenReady({
		parameters: { external: { mongodb: "mongodb://u:p@db.example.test/" } },
	});
	await assert.rejects(
		rotate(environment, { which: ["MONGODB_PASSWORD"] }),
		refuses("invalid_request", /somebody else's/),
	);
});

test("an older program, which leaves MongoDB's metrics with the old password, is upgraded first", () => {
	const asked = (blueprintVersion: string, name: SecretName) =>
		refuseRotation(name, { parameters: { external: {} }, blueprintVersion });
	assert.match(asked("1.0.0", "MONGODB_PASSWORD") ?? "", /upgrade/);
	assert.equal(asked("1.1.0", "MONGODB_PASSWORD"), undefined);
	assert.equal(asked("1.0.0", "MAESTRO_NOAUTH"), undefined);
});

test("an order names at least one secret, each once, and none that there is not", () => {
	const bad: readonly (readonly string[])[] = [
		[],
		["MAESTRO_NOAUTH", "MAESTRO_NOAUTH"],
		["next/MAESTRO_NOAUTH"],
	];
	for (const which of bad)
		assert.equal(rotateOrder.safeParse({ which }).success, false);
	const which: readonly SecretName[] = ["MAESTRO_NOAUTH"];
	assert.equal(rotateOrder.parse({ which }).acknowledge, false);
});

for (const lifecycle of lifecycles)
	test(`in an environment that is ${lifecycle} secrets ${lifecycle === "ready" ? "may be rotated" : "may not be rotated, and it is said why"}`, () => {
		const asked = (state: Lifecycle) =>
			refusal("rotate", { lifecycle: state, revision: 1 });
		assert.equal(asked(lifecycle) === undefined, lifecycle === "ready");
	});
