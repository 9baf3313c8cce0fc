// What tokens may that are for less than their role: some verbs, some environments, some time.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { sql } from "kysely";
import type { Client } from "../../client/client.ts";
import type { Asked, Declared } from "../../client/declared.ts";
import type { TokenId } from "../../src/domain/ids.ts";
import { refused } from "../support/answers.ts";
import { until } from "../support/until.ts";
import { type Door, givenEnvironment, openDoor, readPointers } from "./door.ts";

let door: Door;
let qa: Awaited<ReturnType<typeof givenEnvironment>>;
let prod: Awaited<ReturnType<typeof givenEnvironment>>;
before(async () => {
	door = await openDoor();
	qa = await givenEnvironment(door, "qa-1");
	prod = await givenEnvironment(door, "prod");
});
after(() => door.close());

type Body = Asked<Declared["createToken"]>["body"];

const make = (client: Client, body: Partial<Body> = {}) =>
	client.createToken({ body: { name: "narrow", role: "operator", ...body } });

const givenClient = async (body: Partial<Body>) =>
	door.as((await make(door.admin.client, body)).token);

async function assertForbidden(
	call: Promise<unknown>,
	words: RegExp,
): Promise<void> {
	const { status, message } = await refused(call);
	assert.equal(status, 403, message);
	assert.match(message, words);
}

test("a token does what its permissions say and nothing else of its role", async () => {
	const permissions = ["environments:read"];
	const client = await givenClient({ permissions });
	assert.equal((await client.findEnvironment({ id: "qa-1" })).name, "qa-1");
	await assertForbidden(
		client.hibernateEnvironment({ id: "qa-1" }),
		/environments:hibernate.*environments:read/,
	);
});

test("a pattern of permissions gives nothing above the role", async () => {
	const client = await givenClient({ role: "viewer", permissions: ["*"] });
	const destroy = client.destroyEnvironment({ id: "qa-1" });
	await assertForbidden(destroy, /role "operator"/);
});

test("a token sees and changes the environments that its pattern takes, and is told of the pattern elsewhere", async () => {
	const client = await givenClient({ environments: "qa-*" });
	await client.findEnvironment({ id: "qa-1" });
	await client.listEnvironmentEvents({ id: qa.environment.id });
	await client.findOperation({ id: qa.operation.id });
	const body = { name: "prod-2" };
	for (const call of [
		() => client.findEnvironment({ id: "prod" }),
		() => client.listEnvironmentEvents({ id: prod.environment.id }),
		() => client.findOperation({ id: prod.operation.id }),
		() => client.cancelOperation({ id: prod.operation.id }),
		() => client.destroyEnvironment({ id: "prod" }),
		() => client.createEnvironment({ body }),
		() => client.cloneEnvironment({ id: "qa-1", body }),
	])
		await assertForbidden(call(), /environments named qa-\*.*named "prod/);
});

test("another tenant's environment is not there for a narrowed token either", async () => {
	const other = await givenEnvironment(door, "qa-9", door.stranger.actor);
	const client = await givenClient({ environments: "prod" });
	const { id } = other.environment;
	assert.equal((await refused(client.findEnvironment({ id }))).status, 404);
});

test("a list has what the token's pattern takes", async () => {
	const client = await givenClient({ environments: "qa-*" });
	const { items } = await client.listEnvironments();
	assert.deepEqual(
		items.map(({ name }) => name),
		["qa-1"],
	);
});

test("a narrowed token of the platform's orders nothing that concerns all environments", async () => {
	const { token } = await make(door.platformAdmin.client, {
		role: "platform-admin",
		environments: "qa-*",
	});
	const client = door.as(token);
	const body = { release: "0.6.0", selector: {} };
	for (const call of [
		() => client.createRollout({ body }),
		() => client.listRollouts(),
		() => client.listLeftovers(),
	])
		await assertForbidden(call(), /all environments/);
});

test("a token makes tokens within its own scope, and by default as narrow as itself", async () => {
	const permissions = ["tokens:*", "environments:*"];
	const client = await givenClient({
		role: "admin",
		permissions,
		environments: "qa-*",
	});
	const same = await make(client);
	assert.deepEqual(same.permissions, permissions);
	assert.equal(same.environments, "qa-*");
	const less = { permissions: ["environments:read"], environments: "qa-1" };
	assert.ok((await make(client, less)).token);
	const more = await refused(
		make(client, { permissions: ["*"], environments: "*" }),
	);
	assert.equal(more.status, 403);
	assert.deepEqual(readPointers(more), ["/environments", "/permissions"]);
});

test("a token revokes itself and those within its scope, and no other", async () => {
	const permissions = ["tokens:write"];
	const { admin } = door;
	const own = await make(admin.client, { role: "admin", permissions });
	const client = door.as(own.token);
	const revoke = (id: string) => client.revokeToken({ id });
	const wider = await make(admin.client);
	await assertForbidden(revoke(wider.id), /tokens:write/);
	const child = await make(client);
	assert.equal((await revoke(child.id).withResponse()).status, 204);
	const nobodys = await refused(revoke("tok_00000000000000000000"));
	assert.equal(nobodys.status, 404);
	assert.equal((await revoke(own.id).withResponse()).status, 204);
	assert.equal((await refused(revoke(own.id))).status, 401);
});

test("what a token makes does not outlive it", async () => {
	const expiresAt = "2999-01-01T00:00:00.000Z";
	const client = await givenClient({ role: "admin", expiresAt });
	assert.equal((await make(client)).expiresAt, expiresAt);
	const sooner = "2998-01-01T00:00:00.000Z";
	const answer = await make(client, { expiresAt: sooner });
	assert.equal(answer.expiresAt, sooner);
	const later = await refused(
		make(client, { expiresAt: "2999-01-01T00:00:00.001Z" }),
	);
	assert.equal(later.status, 403);
	assert.deepEqual(readPointers(later), ["/expiresAt"]);
});

test("a permission that there is not, and a name that none can be, are refused", async () => {
	const answer = await refused(
		make(door.admin.client, {
			permissions: ["environment:read"],
			environments: "QA_*",
		}),
	);
	assert.equal(answer.status, 400);
	assert.deepEqual(readPointers(answer), ["/environments", "/permissions/0"]);
});

test("the last use of a token is noted, once a minute", async () => {
	const made = await make(door.admin.client, { role: "viewer" });
	const id = made.id as TokenId;
	const client = door.as(made.token);
	assert.equal(made.lastUsedAt, null);
	const read = async () => {
		const row = await door.db
			.selectFrom("tokens")
			.select(["last_used_at", sql<string>`xmin::text`.as("version")])
			.where("id", "=", id)
			.executeTakeFirstOrThrow();
		return row;
	};
	await client.listEnvironments();
	await until("it was noted", async () => (await read()).last_used_at !== null);
	const noted = await read();
	await Promise.all(
		Array.from({ length: 20 }, () => client.listEnvironments()),
	);
	assert.deepEqual(await read(), noted);
	const old = sql<Date>`now() - interval '61 s'`;
	await door.db
		.updateTable("tokens")
		.set({ last_used_at: old })
		.where("id", "=", id)
		.execute();
	await client.listEnvironments();
	await until(
		"it was noted again",
		async () =>
			Number((await read()).last_used_at) >= Number(noted.last_used_at),
	);
});
