// The verb `extend`: what it counts from, what it refuses, and what it takes back.
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
import { claim } from "../../src/operations/claim.ts";
import { createEnvironment } from "../../src/operations/create.ts";
import { destroyEnvironment } from "../../src/operations/destroy.ts";
import { expire } from "../../src/operations/expire.ts";
import { extendEnvironment } from "../../src/operations/extend.ts";
import { loadEnvironment } from "../../src/store/environments.ts";
import { listEvents } from "../../src/store/events.ts";
import {
	findOpenOperation,
	findOperation,
} from "../../src/store/operations.ts";
import { changeTenant } from "../../src/store/tenants.ts";
import { attempt } from "../support/attempt.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { makeScriptedWorld, type Script } from "../support/engine.ts";
import { letPass, readNotices } from "../support/expiry.ts";
import {
	givenActor,
	givenInstallation,
	type Installation,
	silentLog,
} from "../support/given.ts";

let database: TestDatabase;
let installation: Installation;
let actor: Actor;
before(async () => {
	database = await createTestDatabase();
	installation = await givenInstallation(database.db);
	actor = (await givenActor(database.db, "acme")).actor;
});
after(() => database.close());

const hour = 3_600;
const load = ({ id }: Pick<Environment, "id">) =>
	loadEnvironment(database.db, id);
const work = ({ id }: Pick<Operation, "id">, script: Script = {}) =>
	attempt(installation, makeScriptedWorld(script), id);
const extend = (environment: Pick<Environment, "id">, ttl: string | null) =>
	extendEnvironment(installation, actor, { environment, ttl });

let count = 0;
async function givenReady(spec: object = {}, owner = actor) {
	const create = await createEnvironment(
		installation,
		owner,
		environmentSpec.parse({ name: `env-${count++}`, ...spec }),
	);
	assert.equal(await work(create), "final");
	return load({ id: create.environment });
}
/** With the operation that its end has ordered. */
async function givenExpired(spec: object = {}) {
	const environment = await givenReady({ ttl: "1h", ...spec });
	await letPass(database.db, environment, 2 * hour);
	await expire({ ...installation, log: silentLog });
	const ordered =
		(await findOpenOperation(database.db, environment.id, "destroy")) ??
		(await findOpenOperation(database.db, environment.id, "hibernate"));
	if (ordered === undefined) throw new Error("nothing was ordered");
	return { environment, ordered };
}
const stateOf = async ({ id }: Pick<Operation, "id">) =>
	(await findOperation(database.db, id, undefined))?.state;
const refuses =
	(code: Failure["code"], message: RegExp) => (error: unknown) => {
		assert.ok(error instanceof Failure, String(error));
		assert.equal(error.code, code);
		assert.match(error.message, message);
		assert.equal(error.untouched, "Its time was not changed.");
		assert.ok(error.advice);
		return true;
	};
const leftHours = (environment: Environment) =>
	((environment.expiresAt?.getTime() ?? 0) - Date.now()) / 3_600_000;

test("an extension counts from now, is told with who asked, and may shorten or end what was counted", async () => {
	const environment = await givenReady({ ttl: "10h" });
	const longer = await extend(environment, "3d");
	assert.ok(Math.abs(leftHours(longer) - 72) < 0.1);
	const shorter = await extend(environment, "2h");
	assert.ok(Math.abs(leftHours(shorter) - 2) < 0.1);
	const lasting = await extend(environment, null);
	assert.equal(lasting.expiresAt, null);
	const events = await listEvents(
		database.db,
		{ environment: environment.id },
		{ after: 0, limit: 100 },
	);
	assert.deepEqual(
		events
			.filter(({ type }) => type === "environment.extended")
			.map(({ data }) => data),
		[longer, shorter, lasting].map(({ expiresAt }) => ({
			expiresAt: expiresAt?.toISOString() ?? null,
			by: "acme operator",
		})),
	);
	await expire({ ...installation, log: silentLog });
	assert.equal((await load(environment)).lifecycle, "ready");
});

test("the warnings come anew for each time that was set", async () => {
	const environment = await givenReady({ ttl: "2h" });
	const pass = () => expire({ ...installation, log: silentLog });
	await letPass(database.db, environment, 1.5 * hour);
	await pass();
	await extend(environment, "2h");
	await pass();
	await letPass(database.db, environment, 1.5 * hour);
	await pass();
	assert.deepEqual(await readNotices(database.db, environment), [
		"expiring in 30 m",
		"environment.extended",
		"expiring in 30 m",
	]);
});

test("nothing is extended beyond the tenant's maximum, whoever asks, and nothing is ordered beyond it", async () => {
	const { actor: limited } = await givenActor(database.db, "limited");
	const environment = await givenReady({}, limited);
	await changeTenant(database.db, "limited", { ttlMax: "2d" });
	const too = refuses("invalid_request", /\/ttl must be at most 2d/);
	await assert.rejects(extend(environment, "3d"), too);
	await assert.rejects(
		extend(environment, null),
		refuses("invalid_request", /\/ttl must not be null/),
	);
	assert.equal((await load(environment)).expiresAt, null);
	assert.ok(leftHours(await extend(environment, "2d")) > 47);
	await extend(environment, "2d");

	const { actor: known } = await givenActor(database.db, "limited");
	await assert.rejects(givenReady({ ttl: "3d" }, known), (error) => {
		assert.ok(error instanceof Failure);
		assert.deepEqual(
			error.errors.map(({ pointer }) => pointer),
			["/ttl"],
		);
		return true;
	});
	assert.ok(leftHours(await givenReady({}, known)) > 47);
});

for (const [onExpiry, kind] of [
	["destroy", "destroy"],
	["hibernate", "hibernate"],
] as const)
	test(`an extension takes back the ${kind} that nobody has begun`, async () => {
		const { environment, ordered } = await givenExpired({ onExpiry });
		assert.equal(ordered.kind, kind);
		const extended = await extend(environment, "2h");
		assert.deepEqual(
			[extended.lifecycle, extended.revision],
			["ready", environment.revision],
		);
		const taken = await findOperation(database.db, ordered.id, undefined);
		assert.deepEqual(
			[taken?.state, taken?.cancellation?.requestedBy],
			["cancelled", "acme operator"],
		);
		assert.equal(await work(ordered), "nothing");
		await letPass(database.db, environment, 1.5 * hour);
		await expire({ ...installation, log: silentLog });
		assert.equal((await load(environment)).lifecycle, "ready");
		await letPass(database.db, environment, hour);
		await expire({ ...installation, log: silentLog });
		const again = await findOpenOperation(database.db, environment.id, kind);
		assert.notEqual(again?.id, ordered.id);
		assert.deepEqual(await readNotices(database.db, environment), [
			"environment.expired",
			"environment.extended",
			"expiring in 30 m",
			"environment.expired",
		]);
	});

test("a destroy that has begun is not taken back", async () => {
	const { environment, ordered } = await givenExpired();
	const ownership = await claim(
		{ db: database.db, log: silentLog },
		{ id: ordered.id, owner: "w" },
	);
	ownership?.stop();
	await assert.rejects(
		extend(environment, "2h"),
		refuses("conflict", /It is being destroyed/),
	);
	assert.equal(await stateOf(ordered), "running");
});

test("a person's destroy is not taken back", async () => {
	const environment = await givenReady({ ttl: "1h" });
	const destroy = await destroyEnvironment(installation, actor, environment);
	await assert.rejects(
		extend(environment, "2h"),
		refuses("conflict", /It is being destroyed/),
	);
	assert.equal(await stateOf(destroy), "queued");
});

test("an extension and a worker that begins its destroy do not both win", async () => {
	for (let round = 0; round < 10; round++) {
		const { environment, ordered } = await givenExpired();
		const [extended, ownership] = await Promise.all([
			extend(environment, "2h").then(
				() => true,
				() => false,
			),
			claim(
				{ db: database.db, log: silentLog },
				{ id: ordered.id, owner: "w" },
			),
		]);
		ownership?.stop();
		assert.notEqual(extended, ownership !== undefined);
		const { lifecycle } = await load(environment);
		assert.equal(lifecycle, extended ? "ready" : "destroying");
	}
});

const refused: Partial<Record<Lifecycle, RegExp>> = {
	destroying: /is being destroyed/,
	destroyed: /is destroyed/,
};
for (const lifecycle of lifecycles)
	test(`to extend one that is ${lifecycle} is ${refused[lifecycle] ? "refused, and it is said why" : "no conflict"}`, () => {
		const reason = refusal("extend", { lifecycle, revision: null });
		const expected = refused[lifecycle];
		if (expected === undefined) assert.equal(reason, undefined);
		else assert.match(reason ?? "", expected);
	});
