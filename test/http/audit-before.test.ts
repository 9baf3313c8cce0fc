// What one change has left is what the line of the next one tells as before it, however close they come.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { sql } from "kysely";
import pg from "pg";
import type { Reply } from "../../client/client.ts";
import { publicTargets } from "../../src/domain/webhook.ts";
import { createWebhook } from "../../src/operations/webhooks.ts";
import { appendEvents } from "../../src/store/events.ts";
import { answered } from "../support/answers.ts";
import { until } from "../support/until.ts";
import {
	type Door,
	givenEnvironment,
	givenReadyEnvironment,
	openDoor,
} from "./door.ts";

let door: Door;
let other: pg.Client;
before(async () => {
	door = await openDoor();
	other = new pg.Client({ connectionString: door.databaseUrl });
	await other.connect();
});
after(async () => {
	await other?.end();
	await door?.close();
});

/** How many wait for a row. Those who come after the first wait for its place in line. */
const countWaiting = async () =>
	Number(
		(
			await sql<{ count: number }>`
				select count(*) as count from pg_stat_activity
				where datname = current_database() and wait_event_type = 'Lock'`.execute(
				door.db,
			)
		).rows[0]?.count,
	);

/** Holds a row until all of them wait for it, and tells what they are answered then. */
async function race(
	statement: string,
	id: string,
	calls: readonly (() => Reply<unknown>)[],
) {
	await other.query("begin");
	await other.query(statement, [id]);
	const answers = calls.map((call) => answered(call()));
	await until("all wait", async () => (await countWaiting()) === calls.length, {
		timeoutMs: 5_000,
	});
	await other.query("commit");
	return Promise.all(answers);
}

interface Line {
	readonly before: Record<string, unknown>;
	readonly after: Record<string, unknown>;
}

const listLines = async (id: string): Promise<Line[]> =>
	(
		await sql<Line>`
			select before, after from audit
			where resource_id = ${id} and method is not null order by id`.execute(
			door.db,
		)
	).rows;

async function assertChain(id: string, count: number): Promise<void> {
	const lines = await listLines(id);
	assert.equal(lines.length, count);
	for (const [index, line] of lines.entries())
		if (index > 0) assert.deepEqual(line.before, lines[index - 1]?.after);
}

test("of an environment, by id and by name", async () => {
	const { id, name } = await givenReadyEnvironment(door);
	const describe = (named: string, description: string) => () =>
		door.operator.client.describeEnvironment({
			id: named,
			body: { description },
		});
	await race("select from environments where id = $1 for update", id, [
		describe(id, "one"),
		describe(name, "two"),
		() => door.operator.client.upgradeEnvironment({ id, body: { size: "ha" } }),
	]);
	await assertChain(id, 3);
});

test("of a tenant", async () => {
	const change = (concurrentOperations: number) => () =>
		door.platformAdmin.client.changeTenant({
			name: "globex",
			body: { concurrentOperations },
		});
	await race(
		"select from tenants where name = $1 for no key update",
		"globex",
		[change(3), change(4), change(5)],
	);
	await assertChain("globex", 3);
});

test("of a webhook", async () => {
	const { webhook } = await createWebhook(
		{ ...door.installation, policy: publicTargets },
		door.admin.actor,
		{ url: "https://hooks.example.com/", description: "", active: true },
	);
	const { id } = webhook;
	const { client } = door.admin;
	await race("select from webhooks where id = $1 for no key update", id, [
		() => client.changeWebhook({ id, body: { description: "one" } }),
		() => client.changeWebhook({ id, body: { description: "two" } }),
		() => client.rotateWebhookSecret({ id }),
		() => client.deleteWebhook({ id }),
	]);
	const lines = await listLines(id);
	// What came after the deletion was refused.
	await assertChain(id, lines.length);
	assert.ok(lines.length > 0);
});

test("of a token", async () => {
	const { id } = await door.admin.client.createToken({
		body: { name: "spare", role: "viewer" },
	});
	const revoke = () => door.admin.client.revokeToken({ id });
	await race("select from tokens where id = $1 for no key update", id, [
		revoke,
		revoke,
	]);
	const [, first, second] = await listLines(id);
	assert.equal(first?.before.revokedAt, null);
	assert.ok(second?.before.revokedAt);
});

test("of an operation that waits", async () => {
	const { environment, operation } = await givenEnvironment(door);
	const cancel = () =>
		door.operator.client.cancelOperation({ id: operation.id });
	await race(
		"select from environments where id = $1 for update",
		environment.id,
		[cancel, cancel],
	);
	await assertChain(operation.id, 2);
	const [first, second] = await listLines(operation.id);
	assert.equal(first?.before.state, "queued");
	assert.equal(second?.before.state, "cancelled");
});

async function givenRunning() {
	const given = await givenEnvironment(door);
	await door.db
		.updateTable("operations")
		.set({ state: "running", started_at: new Date(), fence: 1 })
		.where("id", "=", given.operation.id)
		.execute();
	return given;
}

test("of an operation that runs", async () => {
	const { operation } = await givenRunning();
	const cancel = () =>
		door.operator.client.cancelOperation({ id: operation.id });
	await race(
		"select from operations where id = $1 for no key update",
		operation.id,
		[cancel, cancel],
	);
	await assertChain(operation.id, 2);
	const [first, second] = await listLines(operation.id);
	assert.equal(first?.before.state, "running");
	assert.equal(second?.before.state, "cancelling");
});

test("who cancels and who works on the operation do not wait for each other", async () => {
	const { operation } = await givenRunning();
	const { id, environment } = operation;
	const { answer } = await door.db.transaction().execute(async (trx) => {
		// As its owner writes.
		await sql`update operations set writes = writes + 1 where id = ${id}`.execute(
			trx,
		);
		const answer = answered(door.operator.client.cancelOperation({ id }));
		await until("it waits", async () => (await countWaiting()) === 1);
		await appendEvents(trx, { environment, operation: id }, [
			{ type: "operation.started", data: { kind: "create", attempt: 1 } },
		]);
		return { answer };
	});
	assert.equal((await answer).status, 202);
	await assertChain(id, 1);
});

test("an operation that begins while its cancel waits is told as it ran", async () => {
	const { environment, operation } = await givenEnvironment(door);
	await other.query("begin");
	await other.query("select from environments where id = $1 for update", [
		environment.id,
	]);
	const answer = answered(
		door.operator.client.cancelOperation({ id: operation.id }),
	);
	await until("it waits", async () => (await countWaiting()) === 1);
	// As a claim does it, without the environment.
	await door.db
		.updateTable("operations")
		.set({ state: "running", started_at: new Date(), fence: 1 })
		.where("id", "=", operation.id)
		.execute();
	await other.query("commit");
	assert.equal((await answer).status, 202);
	const [line] = await listLines(operation.id);
	assert.deepEqual(
		[line?.before.state, line?.after.state],
		["running", "cancelling"],
	);
});

test("nobody waits for what he may not see", async () => {
	const { id } = await givenReadyEnvironment(door);
	const { operation } = await givenEnvironment(door);
	const { client } = door.stranger;
	await other.query("begin");
	await other.query(
		"select from environments where id = $1 or id = $2 for update",
		[id, operation.environment],
	);
	const missing = await Promise.all([
		answered(client.describeEnvironment({ id, body: { description: "x" } })),
		answered(client.cancelOperation({ id: operation.id })),
	]);
	await other.query("rollback");
	assert.deepEqual(
		missing.map(({ status }) => status),
		[404, 404],
	);
});
