// Whose turn it is: no tenant waits for another's long list, and nobody has more under way than a limit allows.
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { sql } from "kysely";
import type { OperationId } from "../../src/domain/ids.ts";
import { claimNext, type Ownership } from "../../src/operations/claim.ts";
import { destroyEnvironment } from "../../src/operations/destroy.ts";
import { loadEnvironment } from "../../src/store/environments.ts";
import { findQueuePlace } from "../../src/store/queue-place.ts";
import { changeTenant } from "../../src/store/tenants.ts";
import { saveWorkerReport } from "../../src/store/workers.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import {
	givenActor,
	givenInstallation,
	givenOrder,
	type Installation,
	silentLog,
} from "../support/given.ts";

let database: TestDatabase;
let installation: Installation;
let count = 0;
before(async () => {
	database = await createTestDatabase();
	installation = await givenInstallation(database.db);
});
beforeEach(async () => {
	await sql`truncate events, operations, revisions, secrets, environments cascade`.execute(
		database.db,
	);
	await sql`update tenants set served_at = null, settings = '{}'`.execute(
		database.db,
	);
	await sql`update targets set settings = settings - 'concurrentOperations'`.execute(
		database.db,
	);
});
after(() => database.close());

async function order(tenant: string, many = 1) {
	const { actor } = await givenActor(database.db, tenant);
	const ordered = [];
	for (let i = 0; i < many; i++)
		ordered.push(await givenOrder(installation, actor, `env-${count++}`));
	return ordered;
}

async function take(): Promise<Ownership | undefined> {
	const claimed = await claimNext({ db: database.db, log: silentLog }, "w");
	claimed?.ownership.stop();
	return claimed?.ownership;
}

const end = ({ operation: { id } }: Ownership) =>
	sql`update operations set state = 'succeeded', finished_at = now(), lease_owner = null where id = ${id}`.execute(
		database.db,
	);

const findTenant = async (id: OperationId): Promise<string> => {
	const { name } = await database.db
		.selectFrom("operations as o")
		.innerJoin("tenants as t", "t.id", "o.tenant_id")
		.select("t.name")
		.where("o.id", "=", id)
		.executeTakeFirstOrThrow();
	return name;
};
const findTenants = (claims: readonly (Ownership | undefined)[]) =>
	Promise.all(claims.map((one) => one && findTenant(one.operation.id)));

const quiet = Array.from({ length: 9 }, (_, i) => `quiet-${i + 1}`);

describe("one tenant with 50 orders does not delay the first of nine others by more than one operation per worker", () => {
	for (const slots of [1, 2, 3, 8]) {
		test(`${slots} at a time`, async () => {
			await order("noisy", 50);
			const running: Ownership[] = [];
			for (let slot = 0; slot < slots; slot++) {
				const owner = await take();
				assert.ok(owner);
				running.push(owner);
			}
			for (const tenant of quiet) await order(tenant);

			const begun: (string | undefined)[] = [];
			// The one that runs longest ends, and its slot looks for the next.
			for (let ended = 0; ended < 30; ended++) {
				const oldest = running.shift();
				assert.ok(oldest);
				await end(oldest);
				const next = await take();
				assert.ok(next);
				running.push(next);
				begun.push(await findTenant(next.operation.id));
			}
			for (const tenant of quiet) {
				const before = begun.slice(0, begun.indexOf(tenant));
				assert.ok(begun.includes(tenant), `${tenant} was served`);
				const noisy = before.filter((one) => one === "noisy").length;
				assert.ok(noisy <= slots, `${tenant} waited for ${noisy} more`);
				// None of the quiet waits for another's second one either.
				assert.equal(
					new Set(before).size,
					before.length - Math.max(0, noisy - 1),
				);
			}
		});
	}
});

test("many that look at the same moment take an operation each, of as many tenants as there are", async () => {
	await order("noisy", 20);
	for (const tenant of quiet) await order(tenant);
	const claims = await Promise.all(Array.from({ length: 10 }, take));
	assert.equal(new Set(claims.map((one) => one?.operation.id)).size, 10);
	assert.deepEqual(
		(await findTenants(claims)).sort(),
		["noisy", ...quiet].sort(),
	);
});

test("of tenants that have as much under way the one that waited longest is served, and each one's operations in the order of asking", async () => {
	const [a1, a2] = await order("acme", 2);
	const [g1] = await order("globex");
	const taken: unknown[] = [];
	for (let i = 0; i < 3; i++) {
		const owner = await take();
		assert.ok(owner);
		taken.push(owner.operation.id);
		await end(owner);
	}
	assert.deepEqual(taken, [a1?.id, g1?.id, a2?.id]);
	assert.equal(await take(), undefined);
});

test("what was interrupted goes on before the same tenant's next, and not before its pause is over", async () => {
	const [first, second] = await order("acme", 2);
	assert.ok(first && second);
	await take();
	await sql`update operations set state = 'recovering', lease_expires_at = now() - interval '1 second', not_before = now() + interval '1 hour' where id = ${first.id}`.execute(
		database.db,
	);
	const other = await take();
	assert.equal(other?.operation.id, second.id);
	await order("acme");
	await sql`update operations set not_before = null where id = ${first.id}`.execute(
		database.db,
	);
	assert.equal((await take())?.operation.id, first.id);
});

test("no environment's second operation overtakes its first", async () => {
	const [create] = await order("acme");
	assert.ok(create);
	const { actor } = await givenActor(database.db, "acme");
	await destroyEnvironment(
		installation,
		actor,
		await loadEnvironment(database.db, create.environment),
	);
	// The destroy has superseded the create.
	const owner = await take();
	assert.equal(owner?.operation.kind, "destroy");
	const behind = await destroyBehind(create.environment);
	assert.equal(await take(), undefined);
	await end(owner);
	assert.equal((await take())?.operation.id, behind);
});

/** One more operation of an environment, whatever its state allows. */
async function destroyBehind(
	environment: Ownership["operation"]["environment"],
): Promise<string> {
	const { rows } = await sql<{ id: string }>`
		insert into operations (id, environment_id, tenant_id, kind, state, changes, requested_by)
		select 'op_behind', id, tenant_id, 'destroy', 'queued', '{}', 'a test' from environments where id = ${environment}
		returning id`.execute(database.db);
	return rows[0]?.id ?? "";
}

test("a tenant's limit holds also for many that look at once, counts what pauses, and says so to who waits", async () => {
	const ordered = await order("acme", 5);
	await order("globex", 2);
	await changeTenant(database.db, "acme", { concurrentOperations: 2 });
	const claims = await Promise.all(Array.from({ length: 8 }, take));
	const tenants = (await findTenants(claims)).filter((one) => one);
	assert.deepEqual(tenants.sort(), ["acme", "acme", "globex", "globex"]);
	const running = claims.find((one) => one?.operation.id === ordered[0]?.id);
	assert.ok(running && ordered[2]);
	const place = await findQueuePlace(database.db, ordered[2]);
	assert.match(place.reason ?? "", /tenant has as many .* as it may have: 2\./);

	await sql`update operations set state = 'recovering', lease_expires_at = now() - interval '1 second', not_before = now() + interval '1 hour' where id = ${running.operation.id}`.execute(
		database.db,
	);
	assert.equal(await take(), undefined);
	await end(running);
	assert.equal((await take())?.operation.id, ordered[2].id);
});

test("a target's limit holds for all tenants together, and says so to who waits", async () => {
	const [a1] = await order("acme", 2);
	const [g1] = await order("globex");
	assert.ok(a1 && g1);
	await sql`update targets set settings = settings || '{"concurrentOperations": 1}'`.execute(
		database.db,
	);
	const owner = await take();
	assert.equal(owner?.operation.id, a1.id);
	assert.equal(await take(), undefined);
	const place = await findQueuePlace(database.db, g1);
	assert.match(place.reason ?? "", /target has as many .* as it may have: 1\./);
	await end(owner);
	assert.equal((await take())?.operation.id, g1.id);
});

test("a place in the queue is the number of claims before one's own, and an order is told the same", async () => {
	await order("noisy", 4);
	const running = await take();
	assert.ok(running);
	const orders = [
		...(await order("acme", 2)),
		...(await order("globex")),
		...(await order("noisy")),
	];
	for (const one of orders.slice(-1))
		assert.deepEqual(one.place, await findQueuePlace(database.db, one));
	const { rows: waiting } = await sql<{
		id: OperationId;
		environment: Ownership["operation"]["environment"];
	}>`select id, environment_id as environment from operations where state = 'queued'`.execute(
		database.db,
	);
	const places = await Promise.all(
		waiting.map(async (one) => ({
			id: one.id,
			position: (await findQueuePlace(database.db, one)).position,
		})),
	);
	const claims: { id: OperationId; position: number }[] = [];
	for (let owner = await take(); owner !== undefined; owner = await take())
		claims.push({ id: owner.operation.id, position: claims.length });
	assert.equal(claims.length, 7);
	const byId = (one: { id: string }, other: { id: string }) =>
		one.id < other.id ? -1 : 1;
	assert.deepEqual(places.sort(byId), claims.sort(byId));
});

test("when it may begin is reckoned from how long the last ones of its kind took and from how many can run", async () => {
	await sql`delete from workers`.execute(database.db);
	const [first, second, third] = await order("acme", 3);
	assert.ok(first && second && third);
	const find = (one: typeof first) => findQueuePlace(database.db, one);
	assert.deepEqual(
		[(await find(first)).reason, (await find(first)).expectedStartAt],
		["No worker is running.", null],
	);
	await saveWorkerReport(database.db, {
		name: "w",
		slots: 1,
		isShortOfMemory: false,
	});
	const free = await find(first);
	assert.equal(free.reason, null);
	assert.ok(
		Math.abs(Date.parse(free.expectedStartAt ?? "") - Date.now()) < 5_000,
	);
	const unknown = await find(second);
	assert.deepEqual(
		[unknown.position, unknown.reason, unknown.expectedStartAt],
		[1, "Others are before it.", null],
	);

	const owner = await take();
	assert.ok(owner);
	await sql`update operations set started_at = now() - interval '60 seconds' where id = ${first.id}`.execute(
		database.db,
	);
	await end(owner);
	await take();
	const busy = await find(third);
	assert.equal(busy.reason, "The workers are busy with 1 operations.");
	const inMs = Date.parse(busy.expectedStartAt ?? "") - Date.now();
	assert.ok(inMs > 50_000 && inMs < 65_000, `${inMs} ms`);

	await saveWorkerReport(database.db, {
		name: "w",
		slots: 2,
		isShortOfMemory: true,
	});
	assert.match((await find(third)).reason ?? "", /no memory free/);
});
