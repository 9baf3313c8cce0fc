// The end of environments whose time is over: what is told before, what is ordered, and what becomes of it.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { sql } from "kysely";
import type { Environment } from "../../src/domain/environment.ts";
import type { Operation } from "../../src/domain/operation.ts";
import { environmentSpec } from "../../src/domain/spec.ts";
import type { Actor } from "../../src/domain/tenant.ts";
import { Failure } from "../../src/failure.ts";
import { cancelOperation } from "../../src/operations/cancel.ts";
import { createEnvironment } from "../../src/operations/create.ts";
import { destroyEnvironment } from "../../src/operations/destroy.ts";
import { expire } from "../../src/operations/expire.ts";
import { extendEnvironment } from "../../src/operations/extend.ts";
import { changePower } from "../../src/operations/power.ts";
import { retryOperation } from "../../src/operations/retry.ts";
import { registerTarget } from "../../src/operations/target.ts";
import {
	describeEnvironment,
	loadEnvironment,
} from "../../src/store/environments.ts";
import { findOperation, listOperations } from "../../src/store/operations.ts";
import { attempt } from "../support/attempt.ts";
import { readOwnActs } from "../support/audit.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { hang, makeScriptedWorld, type Script } from "../support/engine.ts";
import { letPass, readNotices } from "../support/expiry.ts";
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
});
after(() => database.close());

const minute = 60;
const hour = 3_600;
const day = 86_400;
const broken = new Failure({ code: "engine_failed", message: "No." });

const pass = () => expire({ ...installation, log: silentLog });
const load = ({ id }: Pick<Environment, "id">) =>
	loadEnvironment(database.db, id);
const notices = (environment: Pick<Environment, "id">) =>
	readNotices(database.db, environment);
const work = ({ id }: Pick<Operation, "id">, script: Script = {}) =>
	attempt(installation, makeScriptedWorld(script), id);
/** Without the one that made it, oldest first. */
const listOrdered = async ({ id }: Pick<Environment, "id">) =>
	(await listOperations(database.db, id, { limit: 50 }))
		.filter(({ kind }) => kind !== "create")
		.toReversed();
async function findNewest(environment: Pick<Environment, "id">) {
	const newest = (await listOrdered(environment)).at(-1);
	if (newest === undefined) throw new Error("nothing was ordered");
	return newest;
}
/** So many seconds later, with a look then. */
async function passAfter(environment: Pick<Environment, "id">, after: number) {
	await letPass(database.db, environment, after);
	await pass();
}

let count = 0;
const order = (spec: object = {}) =>
	createEnvironment(
		installation,
		actor,
		environmentSpec.parse({ name: `env-${count++}`, ...spec }),
	);
async function givenReady(spec: object = {}): Promise<Environment> {
	const create = await order(spec);
	assert.equal(await work(create), "final");
	return load({ id: create.environment });
}

test("its time is counted from the order, by the database's clock", async () => {
	const { environment: id } = await order({ ttl: "2h" });
	const { rows } = await sql<{ seconds: number }>`
		select extract(epoch from expires_at - created_at)::float8 as seconds from environments where id = ${id}`.execute(
		database.db,
	);
	assert.ok(Math.abs((rows[0]?.seconds ?? 0) - 2 * hour) < 0.01);
	const { environment } = await order();
	const lasting = await load({ id: environment });
	assert.deepEqual(
		[lasting.expiresAt, lasting.onExpiry, lasting.failureTtlSeconds],
		[null, "destroy", null],
	);
});

test("a day, an hour and ten minutes before the end it is told once each, then its destroy is ordered", async () => {
	const environment = await givenReady({ ttl: "3d" });
	await pass();
	assert.deepEqual(await notices(environment), []);
	await passAfter(environment, 2 * day + 1);
	await pass();
	assert.deepEqual(await notices(environment), ["expiring in 1440 m"]);
	await passAfter(environment, 23 * hour);
	await passAfter(environment, 20 * minute);
	assert.equal((await notices(environment)).length, 2);
	await passAfter(environment, 30 * minute);
	await pass();
	assert.deepEqual(await notices(environment), [
		"expiring in 1440 m",
		"expiring in 60 m",
		"expiring in 10 m",
	]);
	assert.deepEqual(await listOrdered(environment), []);
	assert.equal((await load(environment)).lifecycle, "ready");

	await passAfter(environment, 10 * minute);
	await pass();
	assert.deepEqual(
		(await notices(environment)).slice(3),
		["environment.expired"],
		"told once",
	);
	const [destroy, ...others] = await listOrdered(environment);
	assert.deepEqual(others, []);
	assert.ok(destroy);
	assert.deepEqual(
		[destroy.kind, destroy.requestedBy, destroy.keepsBackups, destroy.options],
		["destroy", "expiry", false, { reason: "expired", backup: "skip" }],
	);
	assert.ok(installation.sent.includes(destroy.id));
	assert.equal((await load(environment)).lifecycle, "destroying");
	assert.equal(await work(destroy), "final");
	assert.equal((await load(environment)).lifecycle, "destroyed");
	await passAfter(environment, 30 * day);
	assert.equal((await listOrdered(environment)).length, 1);
	assert.deepEqual(await readOwnActs(database.db, environment.id), [
		["service.destroy", "expiry", destroy.id],
	]);
});

for (const [ttl, expected] of [
	["1d", ["expiring in 60 m", "expiring in 10 m"]],
	["1h", ["expiring in 10 m"]],
	["11m", ["expiring in 10 m"]],
	["10m", []],
	["5s", []],
] as const)
	test(`of the warnings those are told that fit into a time of ${ttl}`, async () => {
		const { environment: id } = await order({ ttl });
		for (const { at } of [{ at: hour }, { at: 10 * minute }, { at: 0 }]) {
			const { rows } = await sql<{ left: number }>`
				select extract(epoch from expires_at - now())::float8 as left from environments where id = ${id}`.execute(
				database.db,
			);
			// A tenth of a second behind the time of the notice.
			const wait = (rows[0]?.left ?? 0) - at + 0.1;
			if (wait > 0) await passAfter({ id }, wait);
		}
		assert.deepEqual(await notices({ id }), [
			...expected,
			"environment.expired",
		]);
	});

test("after a time in which nobody looked only what is true still is told", async () => {
	const environment = await givenReady({ ttl: "3d" });
	await passAfter(environment, 3 * day - 30 * minute);
	assert.deepEqual(await notices(environment), ["expiring in 30 m"]);
	const another = await givenReady({ ttl: "3d" });
	await passAfter(another, 4 * day);
	assert.deepEqual(await notices(another), ["environment.expired"]);
});

test("the destroy waits behind what runs, and supersedes what waits", async () => {
	const create = await order({ ttl: "1h" });
	const environment = { id: create.environment };
	const running = work(create, { up: ({ signal }) => hang(signal) });
	await until(
		"the create runs",
		async () =>
			(await findOperation(database.db, create.id, undefined))?.phase ===
			"applying",
	);
	await passAfter(environment, 2 * hour);
	const destroy = await findNewest(environment);
	assert.equal(await work(destroy), "nothing");
	await cancelOperation(installation, actor, create);
	await running;
	assert.equal((await load(environment)).lifecycle, "destroying");
	assert.equal(await work(destroy), "final");
	assert.equal((await load(environment)).lifecycle, "destroyed");
});

test("where a person's destroy is on its way no other is ordered", async () => {
	const environment = await givenReady({ ttl: "1h" });
	const destroy = await destroyEnvironment(installation, actor, environment);
	await passAfter(environment, 2 * hour);
	assert.deepEqual(
		(await listOrdered(environment)).map(({ id }) => id),
		[destroy.id],
	);
	assert.deepEqual(await notices(environment), ["environment.expired"]);
});

test("a destroy that did not succeed is ordered again an hour later, and the end is not told again", async () => {
	const environment = await givenReady({ ttl: "1h" });
	await passAfter(environment, 2 * hour);
	const first = await findNewest(environment);
	assert.equal(
		await work(first, { destroy: () => Promise.reject(broken) }),
		"final",
	);
	assert.equal((await load(environment)).lifecycle, "failed");
	await passAfter(environment, 50 * minute);
	assert.equal((await listOrdered(environment)).length, 1);
	await passAfter(environment, 20 * minute);
	const second = await findNewest(environment);
	assert.notEqual(second.id, first.id);
	assert.deepEqual(await notices(environment), ["environment.expired"]);
	assert.equal(await work(second), "final");
	assert.equal((await load(environment)).lifecycle, "destroyed");
});

test("what is chosen so is hibernated at its end, and stays as it is", async () => {
	const environment = await givenReady({ ttl: "1h", onExpiry: "hibernate" });
	await passAfter(environment, 2 * hour);
	const hibernate = await findNewest(environment);
	assert.deepEqual(
		[hibernate.kind, hibernate.requestedBy, hibernate.options],
		["hibernate", "expiry", { reason: "expired" }],
	);
	assert.equal(await work(hibernate), "final");
	await passAfter(environment, 2 * hour);
	await passAfter(environment, 2 * day);
	assert.equal((await load(environment)).lifecycle, "hibernated");
	assert.equal((await listOrdered(environment)).length, 1);
	assert.deepEqual(await notices(environment), ["environment.expired"]);
});

test("what was hibernated at its end is woken once it is extended", async () => {
	const environment = await givenReady({ ttl: "1h", onExpiry: "hibernate" });
	await passAfter(environment, 2 * hour);
	await work(await findNewest(environment));
	const wake = () =>
		changePower(installation, actor, { environment, kind: "wake" });
	await assert.rejects(wake, (error) => {
		assert.ok(error instanceof Failure);
		assert.deepEqual(
			[error.code, error.message],
			["conflict", "Its time is over."],
		);
		assert.match(error.advice ?? "", /:extend/);
		return true;
	});
	await extendEnvironment(installation, actor, { environment, ttl: "2h" });
	assert.equal((await load(environment)).lifecycle, "hibernated");
	assert.equal(await work(loadOrdered(await wake())), "final");
	await passAfter(environment, 3 * hour);
	assert.equal((await findNewest(environment)).kind, "hibernate");
});

test("one that cannot be hibernated yet is hibernated when it can, and that is told once", async () => {
	const create = await order({ ttl: "1h", onExpiry: "hibernate" });
	const environment = { id: create.environment };
	await passAfter(environment, 2 * hour);
	await passAfter(environment, 2 * minute);
	assert.deepEqual(await listOrdered(environment), []);
	assert.deepEqual(await notices(environment), [
		"environment.expired",
		"expiry.postponed",
	]);
	await work(create);
	await passAfter(environment, 2 * minute);
	assert.equal((await findNewest(environment)).kind, "hibernate");
	assert.equal((await notices(environment)).length, 2);
});

test("one that hibernates expires too; its choice may be changed even after its end", async () => {
	const slept = await givenReady({ ttl: "1h" });
	await work(
		loadOrdered(
			await changePower(installation, actor, {
				environment: slept,
				kind: "hibernate",
			}),
		),
	);
	await passAfter(slept, 2 * hour);
	assert.equal((await findNewest(slept)).kind, "destroy");

	const kept = await givenReady({ ttl: "1h", onExpiry: "hibernate" });
	await passAfter(kept, 2 * hour);
	await work(await findNewest(kept));
	await describeEnvironment(database.db, kept.id, { onExpiry: "destroy" });
	await pass();
	assert.equal((await findNewest(kept)).kind, "destroy");
});

const givenFailed = async (spec: object) => {
	const create = await order(spec);
	await work(create, { up: () => Promise.reject(broken) });
	return { create, environment: await load({ id: create.environment }) };
};

test("one whose create failed is destroyed when its failureTtl is over, counted from the failure", async () => {
	const { create, environment } = await givenFailed({ failureTtl: "2h" });
	const failed = await findOperation(database.db, create.id, undefined);
	assert.equal(
		environment.cleanUpAt?.getTime(),
		(failed?.finishedAt?.getTime() ?? 0) + 2 * hour * 1_000,
	);
	await passAfter(environment, hour);
	assert.deepEqual(await listOrdered(environment), []);
	await passAfter(environment, hour);
	await pass();
	const [destroy, ...others] = await listOrdered(environment);
	assert.ok(destroy);
	assert.deepEqual(others, []);
	assert.deepEqual(
		[destroy.requestedBy, destroy.options],
		["expiry", { reason: "create_failed", backup: "skip" }],
	);
	assert.ok(installation.sent.includes(destroy.id));
	assert.deepEqual(await notices(environment), ["environment.expired"]);
	assert.equal((await load(environment)).cleanUpAt, null);
	assert.equal(await work(destroy), "final");
	await passAfter(environment, 3 * hour);
	assert.equal((await listOrdered(environment)).length, 1);
});

test("failureTtl touches neither what came up at last nor what failed later, nor what has none", async () => {
	const retried = await givenFailed({ failureTtl: "2h" });
	const again = await retryOperation(installation, actor, retried.create);
	await letPass(database.db, retried.environment, 3 * hour);
	await pass();
	assert.equal((await load(retried.environment)).lifecycle, "creating");
	await work(again);

	const later = await givenReady({ failureTtl: "2h" });
	const hibernate = loadOrdered(
		await changePower(installation, actor, {
			environment: later,
			kind: "hibernate",
		}),
	);
	await work(hibernate, { up: () => Promise.reject(broken) });
	assert.equal((await load(later)).lifecycle, "failed");

	const lasting = await givenFailed({});
	for (const { id } of [retried.environment, later, lasting.environment]) {
		await passAfter({ id }, 30 * day);
		assert.equal((await load({ id })).cleanUpAt, null);
		const kinds = (await listOrdered({ id })).map(({ kind }) => kind);
		assert.ok(!kinds.includes("destroy"), kinds.join());
	}
});

test("a clean-up that does not succeed is tried once an hour at most", async () => {
	const { environment } = await givenFailed({ failureTtl: "1m" });
	await passAfter(environment, 2 * minute);
	await work(await findNewest(environment), {
		destroy: () => Promise.reject(broken),
	});
	await passAfter(environment, 50 * minute);
	assert.equal((await listOrdered(environment)).length, 1);
	await passAfter(environment, 20 * minute);
	assert.equal((await listOrdered(environment)).length, 2);
	assert.deepEqual(await notices(environment), [
		"environment.expired",
		"environment.expired",
	]);
});

test("where the target has AWS a last backup is made and kept, or nothing is touched; but not of what does not run or never ran", async () => {
	const target = {
		name: "sandbox",
		kubeconfig: "apiVersion: v1",
		clusterIdentifier: "test-cluster",
		domain: "apps.example.test",
		ingressClass: null,
		storageClass: null,
	};
	const aws = {
		region: "eu-central-1",
		accessKeyId: "key",
		secretAccessKey: "planted",
		endpoint: null,
	};
	await registerTarget(installation, { ...target, aws });
	const running = await givenReady({ ttl: "1h" });
	const sleeping = await givenReady({ ttl: "1h" });
	await work(
		loadOrdered(
			await changePower(installation, actor, {
				environment: sleeping,
				kind: "hibernate",
			}),
		),
	);
	const { environment: uncreated } = await givenFailed({ ttl: "1h" });
	for (const environment of [running, sleeping, uncreated])
		await letPass(database.db, environment, 2 * hour);
	await pass();
	const chosen = await Promise.all(
		[running, sleeping, uncreated].map(async (environment) => {
			const { kind, keepsBackups, options } = await findNewest(environment);
			return [kind, keepsBackups, options.backup];
		}),
	);
	assert.deepEqual(chosen, [
		["destroy", true, "required"],
		["destroy", true, "skip"],
		["destroy", false, "skip"],
	]);
	const world = makeScriptedWorld();
	const last = await findNewest(running);
	assert.equal(await attempt(installation, world, last.id), "final");
	assert.equal((await load(running)).lifecycle, "destroyed");
	const steps = world.calls.filter((call) => /backUp|destroy/.test(call));
	assert.deepEqual(steps, ["backUp", "destroy"]);

	const unsaved = await givenReady({ ttl: "1h" });
	await passAfter(unsaved, 2 * hour);
	await work(await findNewest(unsaved), {
		backUp: () =>
			Promise.reject(
				new Failure({ code: "backup_failed", message: "No room." }),
			),
	});
	assert.equal((await findNewest(unsaved)).error?.code, "backup_failed");
	assert.equal((await load(unsaved)).lifecycle, "ready", "nothing was touched");
	await passAfter(unsaved, 2 * hour);
	assert.equal(await work(await findNewest(unsaved)), "final");
	assert.equal((await load(unsaved)).lifecycle, "destroyed");
	await registerTarget(installation, target);
});

test("one that goes wrong keeps no other from its end", async () => {
	const [bad, good] = [
		await givenReady({ ttl: "1h" }),
		await givenReady({ ttl: "1h" }),
	];
	// The database refuses the order, as it would any that breaks a rule.
	await sql`alter table operations add constraint planted check (environment_id <> ${sql.lit(bad.id)} or kind <> 'destroy')`.execute(
		database.db,
	);
	try {
		await letPass(database.db, bad, 2 * hour);
		await letPass(database.db, good, 2 * hour - 1);
		await passAfter(good, 2);
		assert.equal((await findNewest(good)).kind, "destroy");
		assert.deepEqual(await notices(bad), []);
	} finally {
		await sql`alter table operations drop constraint planted`.execute(
			database.db,
		);
	}
	await passAfter(bad, 2 * minute);
	assert.deepEqual(await notices(bad), ["environment.expired"]);
});
