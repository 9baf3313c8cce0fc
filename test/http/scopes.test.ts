// What tokens may that are for less than their role: some verbs, some environments, some time.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { sql } from "kysely";
import type { TokenId } from "../../src/domain/ids.ts";
import { until } from "../support/until.ts";
import {
	type Answer,
	type Door,
	givenEnvironment,
	openDoor,
	readPointers,
} from "./door.ts";

let door: Door;
let qa: Awaited<ReturnType<typeof givenEnvironment>>;
let prod: Awaited<ReturnType<typeof givenEnvironment>>;
before(async () => {
	door = await openDoor();
	qa = await givenEnvironment(door, "qa-1");
	prod = await givenEnvironment(door, "prod");
});
after(() => door.close());

const make = (token: string, body: object) =>
	door.sendRaw("POST", "/v1/tokens", {
		token,
		body: { name: "narrow", role: "operator", ...body },
	});

async function givenToken(body: object): Promise<string> {
	const { status, body: made, text } = await make(door.admin.token, body);
	assert.equal(status, 201, text);
	return String(made.token);
}

const get = (path: string, token: string) =>
	door.sendRaw("GET", path, { token });

function assertForbidden(answer: Answer, words: RegExp): void {
	assert.equal(answer.status, 403, answer.text);
	assert.match(String(answer.body.detail), words);
}

test("a token does what its permissions say and nothing else of its role", async () => {
	const permissions = ["environments:read"];
	const token = await givenToken({ permissions });
	assert.equal((await get("/v1/environments/qa-1", token)).status, 200);
	const path = `/v1/environments/qa-1:hibernate`;
	const answer = await door.sendRaw("POST", path, { token });
	assertForbidden(answer, /environments:hibernate.*environments:read/);
});

test("a pattern of permissions gives nothing above the role", async () => {
	const token = await givenToken({ role: "viewer", permissions: ["*"] });
	const answer = await door.sendRaw("DELETE", "/v1/environments/qa-1", {
		token,
	});
	assertForbidden(answer, /role "operator"/);
});

test("a token sees and changes the environments that its pattern takes, and is told of the pattern elsewhere", async () => {
	const token = await givenToken({ environments: "qa-*" });
	for (const path of [
		"/v1/environments/qa-1",
		`/v1/environments/${qa.environment.id}/events`,
		`/v1/operations/${qa.operation.id}`,
	])
		assert.equal((await get(path, token)).status, 200, path);
	for (const [method, path, body] of [
		["GET", "/v1/environments/prod", undefined],
		["GET", `/v1/environments/${prod.environment.id}/events`, undefined],
		["GET", `/v1/operations/${prod.operation.id}`, undefined],
		["POST", `/v1/operations/${prod.operation.id}:cancel`, undefined],
		["DELETE", "/v1/environments/prod", undefined],
		["POST", "/v1/environments", { name: "prod-2" }],
		["POST", "/v1/environments/qa-1:clone", { name: "prod-2" }],
	] as const)
		assertForbidden(
			await door.sendRaw(method, path, { token, body }),
			/environments named qa-\*.*named "prod/,
		);
});

test("another tenant's environment is not there for a narrowed token either", async () => {
	const other = await givenEnvironment(door, "qa-9", door.stranger.actor);
	const token = await givenToken({ environments: "prod" });
	const path = `/v1/environments/${other.environment.id}`;
	assert.equal((await get(path, token)).status, 404);
});

test("a list has what the token's pattern takes", async () => {
	const token = await givenToken({ environments: "qa-*" });
	const { body } = await get("/v1/environments", token);
	const items = body.items as { name: string }[];
	assert.deepEqual(
		items.map(({ name }) => name),
		["qa-1"],
	);
});

test("a narrowed token of the platform's orders nothing that concerns all environments", async () => {
	const { body } = await make(door.platformAdmin.token, {
		role: "platform-admin",
		environments: "qa-*",
	});
	const token = String(body.token);
	for (const [method, path, sent] of [
		["POST", "/v1/rollouts", { release: "0.6.0", selector: {} }],
		["GET", "/v1/rollouts", undefined],
		["GET", "/v1/leftovers", undefined],
	] as const)
		assertForbidden(
			await door.sendRaw(method, path, { token, body: sent }),
			/all environments/,
		);
});

test("a token makes tokens within its own scope, and by default as narrow as itself", async () => {
	const permissions = ["tokens:*", "environments:*"];
	const own = { role: "admin", permissions, environments: "qa-*" };
	const token = await givenToken(own);
	const same = await make(token, {});
	assert.equal(same.status, 201, same.text);
	assert.deepEqual(same.body.permissions, permissions);
	assert.equal(same.body.environments, "qa-*");
	const less = { permissions: ["environments:read"], environments: "qa-1" };
	assert.equal((await make(token, less)).status, 201);
	const more = await make(token, { permissions: ["*"], environments: "*" });
	assert.equal(more.status, 403);
	assert.deepEqual(readPointers(more), ["/environments", "/permissions"]);
});

test("a token revokes itself and those within its scope, and no other", async () => {
	const permissions = ["tokens:write"];
	const { body } = await make(door.admin.token, { role: "admin", permissions });
	const token = String(body.token);
	const revoke = (id: unknown) =>
		door.sendRaw("DELETE", `/v1/tokens/${id}`, { token });
	const wider = await make(door.admin.token, {});
	assertForbidden(await revoke(wider.body.id), /tokens:write/);
	const child = await make(token, {});
	assert.equal((await revoke(child.body.id)).status, 204);
	assert.equal((await revoke("tok_00000000000000000000")).status, 404);
	assert.equal((await revoke(body.id)).status, 204);
	assert.equal((await revoke(body.id)).status, 401);
});

test("what a token makes does not outlive it", async () => {
	const expiresAt = "2999-01-01T00:00:00.000Z";
	const token = await givenToken({ role: "admin", expiresAt });
	assert.equal((await make(token, {})).body.expiresAt, expiresAt);
	const sooner = "2998-01-01T00:00:00.000Z";
	const answer = await make(token, { expiresAt: sooner });
	assert.equal(answer.body.expiresAt, sooner);
	const later = await make(token, { expiresAt: "2999-01-01T00:00:00.001Z" });
	assert.equal(later.status, 403);
	assert.deepEqual(readPointers(later), ["/expiresAt"]);
});

test("a permission that there is not, and a name that none can be, are refused", async () => {
	const answer = await make(door.admin.token, {
		permissions: ["environment:read"],
		environments: "QA_*",
	});
	assert.equal(answer.status, 400);
	assert.deepEqual(readPointers(answer), ["/environments", "/permissions/0"]);
});

test("the last use of a token is noted, once a minute", async () => {
	const { body } = await make(door.admin.token, { role: "viewer" });
	const id = body.id as TokenId;
	const token = String(body.token);
	assert.equal(body.lastUsedAt, null);
	const read = async () => {
		const row = await door.db
			.selectFrom("tokens")
			.select(["last_used_at", sql<string>`xmin::text`.as("version")])
			.where("id", "=", id)
			.executeTakeFirstOrThrow();
		return row;
	};
	await get("/v1/environments", token);
	await until("it was noted", async () => (await read()).last_used_at !== null);
	const noted = await read();
	await Promise.all(
		Array.from({ length: 20 }, () => get("/v1/environments", token)),
	);
	assert.deepEqual(await read(), noted);
	const old = sql<Date>`now() - interval '61 s'`;
	await door.db
		.updateTable("tokens")
		.set({ last_used_at: old })
		.where("id", "=", id)
		.execute();
	await get("/v1/environments", token);
	await until(
		"it was noted again",
		async () =>
			Number((await read()).last_used_at) >= Number(noted.last_used_at),
	);
});
