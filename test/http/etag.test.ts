// Single things have strong ETags; what changes them can be made to depend on theirs.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, test } from "node:test";
import { api } from "../../src/contract/api.ts";
import { showsOne } from "../../src/contract/request-headers.ts";
import { answered } from "../support/answers.ts";
import { askAny } from "../support/ask-by-path.ts";
import {
	type Door,
	givenEnvironment,
	givenReadyEnvironment,
	openDoor,
	readPointers,
} from "./door.ts";
import { composeExample, givenExamples, guarded } from "./examples.ts";

let door: Door;
before(async () => {
	door = await openDoor();
});
after(() => door.close());

function ask(
	method: string,
	path: string,
	{
		body,
		headers = {},
		token = door.operator.token,
	}: {
		readonly body?: unknown;
		readonly headers?: Record<string, string>;
		readonly token?: string;
	} = {},
) {
	return door.sendRaw(method, path, { token, body, headers });
}

async function readTag(path: string, token?: string): Promise<string> {
	const { headers } = await ask("GET", path, token ? { token } : {});
	return headers.get("etag") ?? assert.fail(`${path} has no ETag`);
}

test("each single thing has a strong ETag, and who knows it is not told it again", async () => {
	const examples = await givenExamples(door);
	const singles = guarded.filter(
		({ endpoint }) => endpoint.method === "GET" && showsOne(endpoint),
	);
	assert.ok(singles.length > 5);
	for (const { endpoint, role } of singles) {
		const { path } = composeExample(examples, endpoint);
		const { token } =
			role === "platform-admin" ? door.platformAdmin : door[role];
		const tag = await readTag(path, token);
		assert.match(tag, /^"[\w-]+"$/, endpoint.name);
		const look = (known: string) =>
			ask("GET", path, { token, headers: { "if-none-match": known } });
		for (const known of [tag, `"x", ${tag}`, `W/${tag}`, "*"]) {
			const same = await look(known);
			assert.equal(same.status, 304, `${endpoint.name}, ${known}`);
			assert.equal(same.text, "");
			assert.equal(same.headers.get("etag"), tag);
		}
		assert.equal((await look('"another"')).status, 200);
	}
});

test("the ETag changes with the thing, and is the one that a change answers with", async () => {
	const path = `/v1/environments/${(await givenEnvironment(door)).environment.id}`;
	const before = await readTag(path);
	const changed = await ask("PATCH", path, {
		body: { description: "another" },
		headers: { "if-match": before },
	});
	assert.equal(changed.status, 200, changed.text);
	const after = changed.headers.get("etag");
	assert.notEqual(after, before);
	assert.equal(await readTag(path), after);
});

test("a change must say what it is of", async () => {
	const { id } = (await givenEnvironment(door)).environment;
	const changes = [
		[`/v1/environments/${id}`, door.operator.token, { description: "x" }],
		["/v1/tenants/globex", door.platformAdmin.token, { ttlMax: null }],
	] as const;
	for (const [path, token, body] of changes) {
		const tag = await readTag(path, token);
		// The door adds one where there is none.
		const { status, headers } = await fetch(`${door.url}${path}`, {
			method: "PATCH",
			headers: {
				authorization: `Bearer ${token}`,
				"content-type": "application/json",
			},
			body: JSON.stringify(body),
		});
		assert.equal(status, 428);
		assert.match(headers.get("content-type") ?? "", /problem\+json/);
		const wrong = await ask("PATCH", path, {
			token,
			body,
			headers: { "if-match": "unquoted" },
		});
		assert.equal(wrong.status, 400);
		assert.deepEqual(readPointers(wrong), ["/header/if-match"]);
		assert.equal(await readTag(path, token), tag);
	}
});

test("of 20 changes at once that were decided on the same reading, one is carried out", async () => {
	const { id } = (await givenEnvironment(door)).environment;
	const race = async (
		path: string,
		token: string,
		makeBody: (i: number) => object,
	) => {
		const tag = await readTag(path, token);
		const answers = await Promise.all(
			Array.from({ length: 20 }, (_, i) =>
				ask("PATCH", path, {
					token,
					body: makeBody(i),
					headers: { "if-match": tag },
				}),
			),
		);
		const stale = answers.filter(({ status }) => status === 412);
		assert.equal(stale.length, 19);
		assert.deepEqual(readPointers(stale[0] ?? assert.fail()), [
			"/header/if-match",
		]);
		assert.equal(answers.filter(({ status }) => status === 200).length, 1);
	};
	await race(`/v1/environments/${id}`, door.operator.token, (i) => ({
		description: `number ${i}`,
	}));
	await race("/v1/tenants/globex", door.platformAdmin.token, (i) => ({
		concurrentOperations: i + 1,
	}));
});

test("every order of an environment that can depend on its ETag is refused when that is stale, and taken when it holds", async (t) => {
	const own = await openDoor();
	t.after(() => own.close());
	const examples = await givenExamples(own);
	const orders = api.filter(
		({ ifMatch, path }) => ifMatch && path.startsWith("/v1/environments/"),
	);
	assert.ok(orders.length > 9);
	for (const endpoint of orders) {
		const { asked, id } = composeExample(examples, endpoint);
		const send = (ifMatch: string) =>
			answered(askAny(own.operator.client, endpoint, asked, { ifMatch }));
		const read = () =>
			answered(own.operator.client.findEnvironment({ id: String(id) }));
		const before = await read();
		const stale = await send('"stale"');
		assert.equal(stale.status, 412, `${endpoint.name}: ${stale.text}`);
		assert.equal((await read()).text, before.text);
		const weak = await send(`W/${before.headers.get("etag")}`);
		assert.equal(weak.status, 412);
		const sent = own.installation.sent.length;
		const taken = await send(before.headers.get("etag") ?? "");
		assert.ok(taken.status < 300, `${endpoint.name}: ${taken.text}`);
		if (taken.status === 202)
			assert.deepEqual(own.installation.sent.slice(sent), [taken.body.id]);
	}
});

test("a repeat of a change with a key is answered as the change was, though the ETag is another one by now", async () => {
	const { id } = await givenReadyEnvironment(door);
	const path = `/v1/environments/${id}`;
	const headers = {
		"if-match": await readTag(path),
		"idempotency-key": randomUUID(),
	};
	const change = () =>
		ask("PATCH", path, { body: { description: "once" }, headers });
	const first = await change();
	assert.equal(first.status, 200);
	const again = await change();
	assert.equal(again.status, 200, again.text);
	assert.equal(again.headers.get("idempotency-replayed"), "true");
	assert.equal(again.headers.get("etag"), first.headers.get("etag"));
});

test("a name that is taken fails the precondition that it is not", async () => {
	const order = () =>
		ask("POST", "/v1/environments", {
			body: { name: "single" },
			headers: { "if-none-match": "*" },
		});
	assert.equal((await order()).status, 202);
	const taken = await order();
	assert.equal(taken.status, 412);
	assert.equal(taken.body.code, "precondition_failed");
	assert.deepEqual(readPointers(taken), ["/name"]);
	const tenant = await ask("POST", "/v1/tenants", {
		token: door.platformAdmin.token,
		body: { name: "globex" },
		headers: { "if-none-match": "*" },
	});
	assert.equal(tenant.status, 412);
	// Another conflict stays one.
	const { id } = (await givenEnvironment(door)).environment;
	const clone = await ask("POST", `/v1/environments/${id}:clone`, {
		body: { name: "copy" },
		headers: { "if-none-match": "*" },
	});
	assert.equal(clone.status, 409, clone.text);
});
