// What counts for a tenant's quota, from when until when, and whom it stands in the way of.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Environment } from "../../src/domain/environment.ts";
import type { EnvironmentId } from "../../src/domain/ids.ts";
import type { Operation } from "../../src/domain/operation.ts";
import { previewedOrder } from "../../src/domain/preview.ts";
import type { QuotaChange } from "../../src/domain/quota.ts";
import { decideDemand } from "../../src/domain/sizing.ts";
import {
	cloneOrder,
	environmentSpec,
	rollbackOrder,
	type Size,
} from "../../src/domain/spec.ts";
import type { Actor } from "../../src/domain/tenant.ts";
import { Failure } from "../../src/failure.ts";
import { cancelOperation } from "../../src/operations/cancel.ts";
import { cloneEnvironment } from "../../src/operations/clone.ts";
import { createEnvironment } from "../../src/operations/create.ts";
import { destroyEnvironment } from "../../src/operations/destroy.ts";
import { changePower } from "../../src/operations/power.ts";
import { previewOrder } from "../../src/operations/preview.ts";
import { retryOperation } from "../../src/operations/retry.ts";
import { rollbackEnvironment } from "../../src/operations/rollback.ts";
import {
	followSchedules,
	planSchedule,
} from "../../src/operations/schedules.ts";
import { upgradeEnvironment } from "../../src/operations/upgrade.ts";
import {
	describeEnvironment,
	loadEnvironment,
} from "../../src/store/environments.ts";
import { listEvents } from "../../src/store/events.ts";
import { listOperations } from "../../src/store/operations.ts";
import { listShares, readAccount } from "../../src/store/quotas.ts";
import { listRevisions } from "../../src/store/revisions.ts";
import { changeTenant, findTenant } from "../../src/store/tenants.ts";
import { attempt } from "../support/attempt.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { makeScriptedWorld, type Script } from "../support/engine.ts";
import {
	givenActor,
	givenInstallation,
	type Installation,
	silentLog,
} from "../support/given.ts";
import { loadOrdered } from "../support/ordered.ts";

let database: TestDatabase;
let installation: Installation;
before(async () => {
	database = await createTestDatabase();
	installation = await givenInstallation(database.db);
});
after(() => database.close());

const demandOf = (size: Size) =>
	decideDemand(environmentSpec.parse({ name: "any", size }));
const small = demandOf("small");
const ha = demandOf("ha");

let tenants = 0;
const givenTenant = async (): Promise<Actor> =>
	(await givenActor(database.db, `team-${++tenants}`)).actor;

/** The actor as the door would find him afterwards. */
async function limit(actor: Actor, quota: QuotaChange): Promise<Actor> {
	const { name } = actor.tenant;
	const tenant = await changeTenant(database.db, name, { quota });
	assert.ok(tenant);
	return { ...actor, tenant };
}

const create = (actor: Actor, name: string, spec: object = {}) =>
	createEnvironment(
		installation,
		actor,
		environmentSpec.parse({ name, ...spec }),
	);
const work = ({ id }: Pick<Operation, "id">, script: Script = {}) =>
	attempt(installation, makeScriptedWorld(script), id);
const load = (id: EnvironmentId) => loadEnvironment(database.db, id);
async function givenReady(
	actor: Actor,
	name: string,
	spec: object = {},
): Promise<Environment> {
	const ordered = await create(actor, name, spec);
	assert.equal(await work(ordered), "final");
	return load(ordered.environment);
}
const power = async (
	actor: Actor,
	environment: Environment,
	kind: "hibernate" | "wake",
) => loadOrdered(await changePower(installation, actor, { environment, kind }));
async function givenHibernated(actor: Actor, name: string) {
	const environment = await givenReady(actor, name);
	await work(await power(actor, environment, "hibernate"));
	return load(environment.id);
}
const upgrade = async (
	actor: Actor,
	environment: Environment,
	change: Parameters<typeof upgradeEnvironment>[2]["change"],
	onFailure: "rollback" | "keep" = "keep",
) =>
	loadOrdered(
		await upgradeEnvironment(installation, actor, {
			environment,
			change,
			options: { onFailure, backup: "skip" },
		}),
	);
const measure = async ({ tenant }: Actor) =>
	(await readAccount(database.db, tenant.id)).usage;
const countActive = async (actor: Actor) =>
	(await measure(actor)).activeEnvironments;

const over = (message: RegExp) => (error: unknown) => {
	assert.ok(error instanceof Failure, String(error));
	assert.equal(error.code, "quota_exceeded", error.message);
	assert.match(error.message, message);
	assert.equal(error.untouched, "Nothing was ordered.");
	assert.ok(error.advice);
	return true;
};
const broken = new Failure({ code: "engine_failed", message: "No." });
const failing: Script = {
	up: async () => {
		throw broken;
	},
};

test("what failed counts while it exists, and is free when its destroy has ended, not before", async () => {
	const actor = await limit(await givenTenant(), { environments: 1 });
	const failed = await create(actor, "one");
	await work(failed, failing);
	const environment = await load(failed.environment);
	assert.equal(environment.lifecycle, "failed");
	assert.deepEqual(await measure(actor), {
		environments: 1,
		activeEnvironments: 1,
		...small,
	});
	await assert.rejects(
		create(actor, "two"),
		over(
			/allows 1 environments.*1 are used \(one\), and with this it would be 2/,
		),
	);

	const destroy = await destroyEnvironment(installation, actor, environment);
	await assert.rejects(create(actor, "two"), over(/`environments`/));
	await work(destroy);
	assert.equal((await load(environment.id)).lifecycle, "destroyed");
	await create(actor, "two");
});

test("what sleeps takes no CPU once it sleeps, and takes it again from the order of its wake on", async () => {
	const actor = await givenTenant();
	const environment = await givenReady(actor, "one");
	const hibernate = await power(actor, environment, "hibernate");
	assert.equal(await countActive(actor), 1);
	await work(hibernate);
	assert.deepEqual(await measure(actor), {
		environments: 1,
		activeEnvironments: 0,
		cpuMillis: 0,
		memoryMiB: 0,
	});
	const wake = await power(actor, environment, "wake");
	assert.equal(await countActive(actor), 1);
	await cancelOperation(installation, actor, wake);
	assert.equal(await countActive(actor), 0);
	await destroyEnvironment(installation, actor, environment);
	assert.equal((await measure(actor)).environments, 1);
});

test("what is destroyed asleep does not wake for it", async () => {
	const actor = await givenTenant();
	const environment = await givenHibernated(actor, "one");
	await destroyEnvironment(installation, actor, environment);
	assert.equal(await countActive(actor), 0);
});

test("an upgrade takes what it leads to from its order on, and gives it back when it is cancelled before it began", async () => {
	const actor = await givenTenant();
	const environment = await givenReady(actor, "one");
	const ordered = await upgrade(actor, environment, { size: "ha" });
	assert.equal((await measure(actor)).cpuMillis, ha.cpuMillis);
	await cancelOperation(installation, actor, ordered);
	assert.equal((await measure(actor)).cpuMillis, small.cpuMillis);

	const limited = await limit(actor, { cpuMillis: small.cpuMillis });
	const cancelled = { ...ordered, environment: environment.id };
	await assert.rejects(
		retryOperation(installation, limited, cancelled),
		over(/`cpuMillis`/),
	);
	assert.equal((await load(environment.id)).lifecycle, "ready");
	// What was never begun does not stand in the way of what is no larger than what runs.
	await upgrade(limited, environment, { parameters: { theme: "dark" } });
	assert.equal((await measure(actor)).cpuMillis, small.cpuMillis);
});

test("while an upgrade runs the larger of before and after counts, whatever is ordered behind it", async () => {
	const actor = await givenTenant();
	const environment = await givenReady(actor, "one", {
		parameters: { replicas: { server: 9 } },
	});
	const before = await measure(actor);
	const shrinking = await upgrade(actor, environment, {
		parameters: { replicas: { server: 1 } },
	});
	assert.deepEqual(await measure(actor), before);
	const script: Script = {
		up: async () => {
			const next = await upgrade(actor, environment, {
				parameters: { replicas: { server: 2 } },
			});
			assert.deepEqual(await measure(actor), before);
			await cancelOperation(installation, actor, next);
			return undefined;
		},
	};
	await work(shrinking, script);
	assert.equal((await measure(actor)).cpuMillis, small.cpuMillis);
});

test("a failed upgrade counts as what it led to, and its rollback by the service is never refused", async () => {
	const actor = await givenTenant();
	const environment = await givenReady(actor, "one");
	const ordered = await upgrade(actor, environment, { size: "ha" }, "rollback");
	await limit(actor, {
		cpuMillis: 1,
		activeEnvironments: 0,
		operationsPerHour: 0,
		sizes: ["ha"],
	});
	await work(ordered, failing);
	const [rollback] = await listOperations(database.db, environment.id, {
		limit: 1,
	});
	assert.ok(rollback);
	assert.equal(rollback.kind, "rollback");
	assert.equal((await measure(actor)).cpuMillis, ha.cpuMillis);
	await work(rollback);
	assert.equal((await load(environment.id)).lifecycle, "ready");
	assert.equal((await measure(actor)).cpuMillis, small.cpuMillis);
});

test("a limit that was lowered takes nothing away, and stands in the way of growth alone", async () => {
	const actor = await givenTenant();
	const asleep = await givenHibernated(actor, "one");
	const awake = await givenReady(actor, "two");
	const limited = await limit(actor, {
		environments: 1,
		activeEnvironments: 0,
		cpuMillis: 10,
		memoryMiB: 10,
	});
	await assert.rejects(
		power(limited, asleep, "wake"),
		over(/`activeEnvironments`\); 1 are used \(two\)/),
	);
	assert.equal((await load(asleep.id)).lifecycle, "hibernated");
	await assert.rejects(
		upgrade(limited, awake, { size: "ha" }),
		over(/`cpuMillis`/),
	);
	assert.equal((await listRevisions(database.db, awake.id)).length, 1);
	await work(await upgrade(limited, awake, { parameters: { theme: "dark" } }));
	await power(limited, awake, "hibernate");
});

test("a rollback to what took more is refused", async () => {
	const actor = await givenTenant();
	const environment = await givenReady(actor, "one", {
		parameters: { replicas: { server: 9 } },
	});
	await work(
		await upgrade(actor, environment, { parameters: { replicas: null } }),
	);
	const limited = await limit(actor, { cpuMillis: small.cpuMillis });
	await assert.rejects(
		rollbackEnvironment(installation, limited, {
			...rollbackOrder.parse({ to: 1 }),
			environment,
		}),
		over(/`cpuMillis`/),
	);
	assert.equal((await load(environment.id)).lifecycle, "ready");
});

test("a preview is refused as its order would be", async () => {
	const actor = await givenTenant();
	const environment = await givenReady(actor, "one");
	const limited = await limit(actor, { cpuMillis: small.cpuMillis });
	const order = previewedOrder.parse({ upgrade: { size: "ha" } });
	await assert.rejects(
		previewOrder(installation, limited, { environment, order }),
		over(/`cpuMillis`/),
	);
});

test("a size, a target or a blueprint that is not allowed is not ordered, and what has it already goes on", async () => {
	const actor = await givenTenant();
	const large = await givenReady(actor, "large", { size: "ha" });
	const little = await givenReady(actor, "little");
	const limited = await limit(actor, {
		sizes: ["small"],
		targets: ["sandbox"],
		blueprints: ["maestro"],
	});
	await create(limited, "allowed");
	await assert.rejects(
		create(limited, "two", { size: "ha" }),
		over(/allows no size "ha": small\./),
	);
	await assert.rejects(
		upgrade(limited, little, { size: "ha" }),
		over(/no size "ha"/),
	);
	await assert.rejects(
		cloneEnvironment(installation, limited, {
			environment: large,
			order: cloneOrder.parse({ name: "copy" }),
		}),
		over(/no size "ha"/),
	);
	await work(await upgrade(limited, large, { parameters: { theme: "dark" } }));
	const elsewhere = await limit(limited, { targets: ["production"] });
	await assert.rejects(
		create(elsewhere, "three"),
		over(/allows no target "sandbox": production\./),
	);
});

test("a limit that is not sent stays, and null takes one away", async () => {
	const actor = await limit(await givenTenant(), {
		environments: 0,
		sizes: ["small"],
	});
	await limit(actor, { cpuMillis: 5 });
	const tenant = await findTenant(database.db, actor.tenant.name);
	assert.equal(tenant?.settings.quota.environments, 0);
	const freed = await limit(actor, { environments: null, cpuMillis: null });
	await create(freed, "one");
	assert.deepEqual(freed.tenant.settings.quota.sizes, ["small"]);
});

test("a schedule whose wake does not fit says so in the log and tries at the next time", async () => {
	const actor = await givenTenant();
	const environment = await givenHibernated(actor, "one");
	await limit(actor, { activeEnvironments: 0 });
	const schedule = {
		timeZone: "Europe/Berlin",
		asleep: [{ from: "20:00", to: "07:00" }],
	};
	const at = (day: number, time: string) =>
		new Date(`2099-07-0${day}T${time}:00+02:00`);
	await describeEnvironment(database.db, environment.id, {
		schedule: planSchedule(schedule, at(1, "21:00")),
	});
	const context = { ...installation, log: silentLog };
	const before = await listRevisions(database.db, environment.id);
	assert.equal(await followSchedules(context, at(2, "07:00")), 0);
	const events = await listEvents(
		database.db,
		{ environment: environment.id },
		{ after: 0, limit: 200 },
	);
	const last = events.at(-1);
	assert.ok(last?.type === "schedule.skipped");
	assert.equal(last.data.kind, "wake");
	assert.match(last.data.reason, /`activeEnvironments`\); 0 are used, and/);
	const after = await load(environment.id);
	assert.equal(after.lifecycle, "hibernated");
	assert.deepEqual(after.transition, { at: at(2, "20:00"), to: "hibernated" });
	assert.deepEqual(await listRevisions(database.db, environment.id), before);

	await limit(actor, { activeEnvironments: 1 });
	assert.equal(await followSchedules(context, at(2, "20:00")), 0);
	assert.equal(await followSchedules(context, at(3, "07:00")), 1);
	assert.equal((await load(environment.id)).lifecycle, "waking");
});

test("who may see some environments only is told of no others", async () => {
	const actor = await limit(await givenTenant(), { environments: 2 });
	await create(actor, "qa-1");
	await create(actor, "secret-1");
	const scope = { permissions: null, environments: "qa-*" };
	await assert.rejects(
		create({ ...actor, scope }, "qa-2"),
		over(/2 are used \(qa-1\), and/),
	);
	assert.deepEqual(
		(
			await listShares(database.db, actor.tenant.id, {
				by: "cpuMillis",
				limit: 5,
				pattern: "qa-*",
			})
		).map(({ name }) => name),
		["qa-1"],
	);
});

test("revisions from before their needs were kept count as well", async () => {
	const actor = await givenTenant();
	const { id } = await givenReady(actor, "one", { size: "ha" });
	await database.db
		.updateTable("revisions")
		.set({ cpu_millis: null, memory_mib: null })
		.where("environment_id", "=", id)
		.execute();
	const { cpuMillis, memoryMiB } = await measure(actor);
	assert.deepEqual({ cpuMillis, memoryMiB }, ha);
});
