// Single things have strong ETags; what changes them can be made to depend on theirs.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, test } from "node:test";
import { type CallOptions, type Reply, readEtag } from "../../client/client.ts";
import { api } from "../../src/contract/api.ts";
import { showsOne } from "../../src/contract/request-headers.ts";
import type { EnvironmentId } from "../../src/domain/ids.ts";
import { answered, refused } from "../support/answers.ts";
import { askAny, askByPath } from "../support/ask-by-path.ts";
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

async function readTag(thing: Promise<object>): Promise<string> {
	return readEtag(await thing) ?? assert.fail("it has no ETag");
}
const readTagOf = (id: EnvironmentId) =>
	readTag(door.operator.client.findEnvironment({ id }));
const readTagOfTenant = () =>
	readTag(door.platformAdmin.client.findTenant({ name: "globex" }));

test("each single thing has a strong ETag, and who knows it is not told it again", async () => {
	const examples = await givenExamples(door);
	const singles = guarded.filter(
		({ endpoint }) => endpoint.method === "GET" && showsOne(endpoint),
	);
	assert.ok(singles.length > 5);
	for (const { endpoint, role } of singles) {
		const { asked } = composeExample(examples, endpoint);
		const { client } =
			role === "platform-admin" ? door.platformAdmin : door[role];
		const look = (known?: string) =>
			answered(askAny(client, endpoint, asked, { ifNoneMatch: known }));
		const tag = (await look()).headers.get("etag") ?? "";
		assert.match(tag, /^"[\w-]+"$/, endpoint.name);
		for (const known of [
			tag,
			`"x", ${tag}`,
			`, "x",, ${tag} ,`,
			`W/${tag}`,
			"*",
		]) {
			const same = await look(known);
			assert.equal(same.status, 304, `${endpoint.name}, ${known}`);
			assert.equal(same.text, "");
			assert.equal(same.headers.get("etag"), tag);
		}
		assert.equal((await look('"another"')).status, 200);
	}
});

test("the ETag changes with the thing, and is the one that a change answers with", async () => {
	const { id } = (await givenEnvironment(door)).environment;
	const before = await readTagOf(id);
	const after = await readTag(
		door.operator.client.describeEnvironment(
			{ id, body: { description: "another" } },
			{ ifMatch: before },
		),
	);
	assert.notEqual(after, before);
	assert.equal(await readTagOf(id), after);
});

test("a change must say what it is of", async () => {
	const { id } = (await givenEnvironment(door)).environment;
	const changes = [
		{
			of: door.operator,
			path: `/v1/environments/${id}`,
			body: { description: "x" },
			read: () => readTagOf(id),
		},
		{
			of: door.platformAdmin,
			path: "/v1/tenants/globex",
			body: { ttlMax: null },
			read: readTagOfTenant,
		},
	];
	for (const { of, path, body, read } of changes) {
		const tag = await read();
		// The door adds one where there is none.
		const { status, headers } = await fetch(`${door.url}${path}`, {
			method: "PATCH",
			headers: {
				authorization: `Bearer ${of.token}`,
				"content-type": "application/json",
			},
			body: JSON.stringify(body),
		});
		assert.equal(status, 428);
		assert.match(headers.get("content-type") ?? "", /problem\+json/);
		const ifMatch = "unquoted";
		const wrong = await refused(
			askByPath(of.client, ["PATCH", path, body], { ifMatch }),
		);
		assert.equal(wrong.status, 400);
		assert.deepEqual(readPointers(wrong), ["/header/if-match"]);
		assert.equal(await read(), tag);
	}
});

test("of 20 changes at once that were decided on the same reading, one is carried out", async () => {
	const { id } = (await givenEnvironment(door)).environment;
	const race = async (
		ifMatch: string,
		change: (i: number, options: CallOptions) => Reply<unknown>,
	) => {
		const answers = await Promise.all(
			Array.from({ length: 20 }, (_, i) => answered(change(i, { ifMatch }))),
		);
		const stale = answers.filter(({ status }) => status === 412);
		assert.equal(stale.length, 19);
		assert.deepEqual(readPointers(stale[0] ?? assert.fail()), [
			"/header/if-match",
		]);
		assert.equal(answers.filter(({ status }) => status === 200).length, 1);
	};
	await race(await readTagOf(id), (i, options) =>
		door.operator.client.describeEnvironment(
			{ id, body: { description: `number ${i}` } },
			options,
		),
	);
	await race(await readTagOfTenant(), (i, options) =>
		door.platformAdmin.client.changeTenant(
			{ name: "globex", body: { concurrentOperations: i + 1 } },
			options,
		),
	);
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
	const options = {
		ifMatch: await readTagOf(id),
		idempotencyKey: randomUUID(),
	};
	const change = () =>
		door.operator.client
			.describeEnvironment({ id, body: { description: "once" } }, options)
			.withResponse();
	const first = await change();
	const again = await change();
	assert.deepEqual([first.status, again.status], [200, 200]);
	assert.equal(again.headers.get("idempotency-replayed"), "true");
	assert.equal(again.headers.get("etag"), first.headers.get("etag"));
});

test("a name that is taken fails the precondition that it is not", async () => {
	const unlessThere = { headers: { "if-none-match": "*" } };
	const { client } = door.operator;
	const order = () =>
		client.createEnvironment({ body: { name: "single" } }, unlessThere);
	assert.ok((await order()).id);
	const taken = await refused(order());
	assert.equal(taken.status, 412);
	assert.equal(taken.code, "precondition_failed");
	assert.deepEqual(readPointers(taken), ["/name"]);
	const tenant = await refused(
		door.platformAdmin.client.createTenant(
			{ body: { name: "globex" } },
			unlessThere,
		),
	);
	assert.equal(tenant.status, 412);
	// Another conflict stays one.
	const { id } = (await givenEnvironment(door)).environment;
	const clone = await refused(
		client.cloneEnvironment({ id, body: { name: "copy" } }, unlessThere),
	);
	assert.equal(clone.status, 409);
});
