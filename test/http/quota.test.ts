// Fifty orders at once at a limit, through two doors with connections of their own: together they never pass it, and none is
// refused that would have fitted.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, test } from "node:test";
import type { CallOptions, Client, Reply } from "../../client/client.ts";
import type { EnvironmentId } from "../../src/domain/ids.ts";
import type { QuotaChange } from "../../src/domain/quota.ts";
import { decideDemand } from "../../src/domain/sizing.ts";
import { environmentSpec, type Size } from "../../src/domain/spec.ts";
import { updateEnvironment } from "../../src/store/environments.ts";
import { changeTenant } from "../../src/store/tenants.ts";
import { type Answer, answered } from "../support/answers.ts";
import { givenActor } from "../support/given.ts";
import {
	type Door,
	endOperation,
	givenEnvironment,
	openDoor,
	openDoorBeside,
	type Person,
} from "./door.ts";

const many = 50;
const demandOf = (size: Size) =>
	decideDemand(environmentSpec.parse({ name: "any", size }));

let doors: readonly [Door, Door];
let db: Door["db"];
before(async () => {
	const door = await openDoor();
	doors = [door, await openDoorBeside(door)];
	db = door.db;
});
after(async () => {
	await doors?.[1].close();
	await doors?.[0].close();
});

let tenants = 0;
type Racer = Omit<Person, "client">;

/** An operator of a tenant of his own. */
const givenOperator = (): Promise<Racer> =>
	givenActor(db, `racers-${++tenants}`);

const limit = async ({ actor }: Racer, quota: QuotaChange) => {
	assert.ok(await changeTenant(db, actor.tenant.name, { quota }));
};

/** As many as are raced with, at revision 1. */
async function givenMany(
	{ actor }: Racer,
	lifecycle: "ready" | "hibernated",
): Promise<EnvironmentId[]> {
	const ids: EnvironmentId[] = [];
	for (let index = 0; index < many; index++) {
		const { environment, operation } = await givenEnvironment(
			doors[0],
			`env-${index}`,
			actor,
		);
		await db
			.updateTable("operations")
			.set({ started_at: new Date(), is_touched: true })
			.where("id", "=", operation.id)
			.execute();
		await endOperation(db, operation.id);
		await updateEnvironment(db, environment.id, { lifecycle, revision: 1 });
		ids.push(environment.id);
	}
	return ids;
}

type Order = (client: Client, options?: CallOptions) => Reply<unknown>;

/** All at once, by turns through the two doors. Returns how many were let in; all others met the quota. */
async function race(
	{ token }: Racer,
	orders: readonly Order[],
	measure: keyof QuotaChange,
): Promise<number> {
	const answers = await Promise.all(
		orders.map((order, index) =>
			insist((index % 2 === 0 ? doors[0] : doors[1]).as(token), order),
		),
	);
	for (const answer of answers.filter(({ status }) => status !== 202))
		assertOver(answer, measure);
	return answers.filter(({ status }) => status === 202).length;
}

/** On a busy machine no connection may be free for seconds: then the same order is sent again, as its key allows. */
async function insist(client: Client, order: Order): Promise<Answer> {
	const options = { idempotencyKey: randomUUID() };
	for (;;) {
		const answer = await answered(order(client, options));
		if (answer.status !== 503) return answer;
	}
}

function assertOver(
	{ status, body, text }: Answer,
	measure: keyof QuotaChange,
) {
	assert.equal(status, 403, text);
	assert.equal(body.code, "quota_exceeded");
	assert.match(String(body.detail), new RegExp(`\`${measure}\``));
	assert.equal(body.untouched, "Nothing was ordered.");
	assert.ok(body.advice);
}

async function readUsed({ actor, token }: Racer, measure: keyof QuotaChange) {
	const { name } = actor.tenant;
	return (await doors[0].as(token).findUsage({ name }))[measure];
}

const creates = (spec: { readonly size?: Size } = {}): Order[] =>
	Array.from(
		{ length: many },
		(_, index): Order =>
			(client, options) =>
				client.createEnvironment(
					{ body: { name: `new-${index}`, ...spec } },
					options,
				),
	);

const wakes = (ids: readonly EnvironmentId[]): Order[] =>
	ids.map(
		(id): Order =>
			(client, options) =>
				client.wakeEnvironment({ id }, options),
	);

test("creates stay within the number of environments", async () => {
	const person = await givenOperator();
	await limit(person, { environments: 7 });
	assert.equal(await race(person, creates(), "environments"), 7);
	assert.deepEqual(await readUsed(person, "environments"), {
		limit: 7,
		used: 7,
	});
});

test("wakes stay within the number of those that are awake", async () => {
	const person = await givenOperator();
	const asleep = await givenMany(person, "hibernated");
	await limit(person, { activeEnvironments: 5 });
	const woken = await race(person, wakes(asleep), "activeEnvironments");
	assert.equal(woken, 5);
	assert.deepEqual(await readUsed(person, "activeEnvironments"), {
		limit: 5,
		used: 5,
	});
});

test("upgrades to a larger size stay within the CPU", async () => {
	const person = await givenOperator();
	const ready = await givenMany(person, "ready");
	const [small, large] = [demandOf("small"), demandOf("ha")];
	const used = (many - 3) * small.cpuMillis + 3 * large.cpuMillis;
	await limit(person, { cpuMillis: used + 1 });
	const body = { size: "ha" } as const;
	const upgrades = ready.map(
		(id): Order =>
			(client, options) =>
				client.upgradeEnvironment({ id, body }, options),
	);
	assert.equal(await race(person, upgrades, "cpuMillis"), 3);
	assert.deepEqual(await readUsed(person, "cpuMillis"), {
		limit: used + 1,
		used,
	});
});

test("creates stay within the memory", async () => {
	const person = await givenOperator();
	const { memoryMiB } = demandOf("ha");
	await limit(person, { memoryMiB: 4 * memoryMiB + 1 });
	assert.equal(await race(person, creates({ size: "ha" }), "memoryMiB"), 4);
});

test("backups stay within the operations of an hour, and what gives something back is let through", async () => {
	const person = await givenOperator();
	const [first = "", second = "", ...rest] = await givenMany(person, "ready");
	await limit(person, { operationsPerHour: many + 6 });
	const backups = rest.map(
		(id): Order =>
			(client, options) =>
				client.backUpEnvironment({ id }, options),
	);
	assert.equal(await race(person, backups, "operationsPerHour"), 6);
	const client = doors[1].as(person.token);
	for (const call of [
		client.destroyEnvironment({ id: first }),
		client.hibernateEnvironment({ id: second }),
	])
		assert.equal((await call.withResponse()).status, 202);
	assert.deepEqual(await readUsed(person, "operationsPerHour"), {
		limit: many + 6,
		used: many + 8,
	});
});

test("creates stay within the operations of an hour", async () => {
	const person = await givenOperator();
	await limit(person, { operationsPerHour: 9 });
	assert.equal(await race(person, creates(), "operationsPerHour"), 9);
});

test("orders of all kinds together stay within the CPU", async () => {
	const person = await givenOperator();
	const { cpuMillis } = demandOf("small");
	const asleep = await givenMany(person, "hibernated");
	const waking = asleep.slice(0, 20);
	await limit(person, { cpuMillis: 11 * cpuMillis });
	const orders = [
		...wakes(waking),
		...creates().slice(0, 15),
		...asleep.slice(20, 35).map(
			(id, index): Order =>
				(client, options) =>
					client.cloneEnvironment(
						{ id, body: { name: `copy-${index}` } },
						options,
					),
		),
	];
	assert.equal(orders.length, many);
	assert.equal(await race(person, orders, "cpuMillis"), 11);
});
