import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import { Failure } from "../../src/failure.ts";
import { parsePageToken, presentPageToken } from "../../src/http/page.ts";
import { createTenant } from "../../src/store/tenants.ts";
import { answered, refused } from "../support/answers.ts";
import { askByPath } from "../support/ask-by-path.ts";
import { type Door, givenEnvironment, openDoor, readPointers } from "./door.ts";

let door: Door;
before(async () => {
	door = await openDoor();
});
after(() => door.close());

async function readAll(path: string, token: string): Promise<string[]> {
	const ids: string[] = [];
	let next: unknown = "";
	while (next !== null) {
		const query = next === "" ? "" : `&pageToken=${next}`;
		const answer = await answered(
			askByPath(door.as(token), ["GET", `${path}${query}`]),
		);
		assert.equal(answer.status, 200, answer.text);
		ids.push(...(answer.body.items as { id: string }[]).map(({ id }) => id));
		next = answer.body.nextPageToken;
	}
	return ids;
}

test("all pages together have everything once, newest first", async () => {
	const made: string[] = [];
	for (let i = 0; i < 7; i++) {
		made.unshift((await givenEnvironment(door)).environment.id);
	}
	const { token } = door.viewer;
	for (const pageSize of [1, 2, 3, 7, 50]) {
		assert.deepEqual(
			await readAll(`/v1/environments?pageSize=${pageSize}`, token),
			made,
		);
	}
});

test("what was made in the same instant is not lost between two pages", async () => {
	const names = ["same-a", "same-b", "same-c", "same-d", "same-e"];
	const ids = await door.db
		.transaction()
		.execute((trx) =>
			Promise.all(
				names.map(async (name) => (await createTenant(trx, name)).id),
			),
		);
	const seen = await readAll(
		"/v1/tenants?pageSize=2",
		door.platformAdmin.token,
	);
	assert.equal(new Set(seen).size, seen.length);
	for (const id of ids) assert.ok(seen.includes(id));
});

test("a page that ends with the last row has no next", async () => {
	const { token } = door.platformAdmin;
	const all = await readAll("/v1/tenants?pageSize=200", token);
	const answer = await door.platformAdmin.client.listTenants({
		pageSize: all.length,
	});
	assert.equal(answer.nextPageToken, null);
});

test("what was made meanwhile does not move the pages that follow", async () => {
	await givenEnvironment(door);
	await givenEnvironment(door);
	const { token } = door.viewer;
	const path = "/v1/environments?pageSize=1";
	const before = await readAll(path, token);
	const first = await door.viewer.client.listEnvironments({ pageSize: 1 });
	await givenEnvironment(door);
	const second = await door.viewer.client.listEnvironments({
		pageSize: 1,
		pageToken: String(first.nextPageToken),
	});
	assert.equal(second.items[0]?.id, before[1]);
});

test("a token opens no other list, filter or tenant", async () => {
	await givenEnvironment(door);
	await givenEnvironment(door);
	const { token } = door.admin;
	const first = await door.admin.client.listEnvironments({ pageSize: 1 });
	const pageToken = String(first.nextPageToken);
	for (const [path, caller] of [
		["/v1/environments?lifecycle=creating", token],
		["/v1/environments?label=a=b", token],
		["/v1/tokens?pageSize=1", token],
		["/v1/environments?pageSize=1", door.stranger.token],
	] as const) {
		const target = `${path}&pageToken=${pageToken}`;
		const answer = await refused(askByPath(door.as(caller), ["GET", target]));
		assert.equal(answer.status, 400, path);
		assert.deepEqual(readPointers(answer), ["/query/pageToken"]);
	}
	await door.admin.client.listEnvironments({ pageSize: 2, pageToken });
});

test("a token that was altered, cut or signed by another key is refused", () => {
	const key = randomBytes(32);
	const cursor = { createdAt: new Date(1_700_000_000_000), id: "env_1" };
	const token = presentPageToken(key, ["list"], cursor);
	assert.deepEqual(parsePageToken(key, ["list"], token), cursor);
	const [payload = "", signature = ""] = token.split(".");
	const other = presentPageToken(key, ["list"], { ...cursor, id: "env_2" });
	for (const bad of [
		"",
		".",
		payload,
		`${payload}.`,
		`${payload}.${signature.slice(0, -4)}`,
		`${other.split(".")[0]}.${signature}`,
		presentPageToken(randomBytes(32), ["list"], cursor),
	]) {
		assert.throws(
			() => parsePageToken(key, ["list"], bad),
			(error) => error instanceof Failure && error.code === "invalid_request",
		);
	}
});
