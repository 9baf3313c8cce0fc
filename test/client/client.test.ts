import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { after, before, test } from "node:test";
import { connect, type Line, Problem, readEtag } from "../../client/client.ts";
import type { Declared } from "../../client/declared.ts";
import { api } from "../../src/contract/api.ts";
import type { OperationId } from "../../src/domain/ids.ts";
import { noChanges } from "../../src/domain/operation.ts";
import { appendEvents } from "../../src/store/events.ts";
import { begin, succeed } from "../http/cells.ts";
import {
	type Door,
	givenEnvironment,
	givenReadyEnvironment,
	openDoor,
} from "../http/door.ts";
import { until } from "../support/until.ts";

let door: Door;
before(async () => {
	door = await openDoor();
});
after(() => door?.close());

const enter = (ask?: typeof fetch) =>
	connect({
		url: door.url,
		token: door.operator.token,
		...(ask && { fetch: ask }),
	});

test("the declarations that it is typed by are those of the API", () => {
	const folder = resolve(import.meta.dirname, "../../client");
	const text = readFileSync(join(folder, "declared.ts"), "utf8");
	const files = readdirSync(resolve(folder, "../src/contract")).filter((file) =>
		/satisfies Endpoint;/.test(
			readFileSync(resolve(folder, "../src/contract", file), "utf8"),
		),
	);
	for (const file of files)
		assert.ok(
			text.includes(`import type * as`) && text.includes(`/${file}"`),
			file,
		);
	const name: keyof Declared = "createEnvironment";
	assert.ok(api.some((endpoint) => endpoint.name === name));
});

test("it needs nothing that a browser has not", () => {
	const folder = resolve(import.meta.dirname, "../../client");
	for (const file of readdirSync(folder).filter((name) =>
		name.endsWith(".ts"),
	)) {
		const text = readFileSync(join(folder, file), "utf8");
		const loaded = [
			...text.matchAll(/^(?:import|export) (?!type)[^;]*from "([^"]+)"/gm),
		];
		for (const [, from = ""] of loaded) assert.match(from, /^\.\/\w/, file);
	}
});

test("it orders, lists, looks and changes", async () => {
	const client = enter();
	const ordered = await client.createEnvironment({ body: { name: "typed" } });
	assert.equal(ordered.kind, "create");
	const { items: parts } = await client.listEnvironments({
		name: "typed",
		fields: ["name"],
	});
	assert.deepEqual(Object.keys(parts[0] ?? {}), ["id", "name"]);
	const { items } = await client.listEnvironments({ name: "typed" });
	assert.deepEqual(
		items.map(({ name }) => name),
		["typed"],
	);
	const found = await client.findEnvironment({ id: "typed" });
	const etag = readEtag(found);
	assert.ok(etag);
	const changed = await client.describeEnvironment(
		{ id: "typed", body: { description: "x" } },
		{ ifMatch: etag },
	);
	assert.equal(changed.description, "x");
	await assert.rejects(
		client.describeEnvironment(
			{ id: "typed", body: { description: "y" } },
			{ ifMatch: etag },
		),
		(error) => error instanceof Problem && error.code === "precondition_failed",
	);
});

test("what is refused is thrown, with its code and its places", async () => {
	await assert.rejects(
		enter().createEnvironment({ body: { name: "Not a label" } }),
		(error) =>
			error instanceof Problem &&
			error.status === 400 &&
			error.document.errors[0]?.pointer === "/name",
	);
});

test("an order whose answer is lost is sent again, and is one order", async () => {
	let lost = 0;
	const client = enter(async (input, init) => {
		const answer = await fetch(input, init);
		if (init?.method === "POST" && lost++ === 0) {
			await answer.body?.cancel();
			throw new TypeError("the connection broke");
		}
		return answer;
	});
	const ordered = await client.createEnvironment({ body: { name: "lost" } });
	assert.equal(lost, 2);
	const { items } = await client.listOperations({ id: "lost" });
	assert.deepEqual(
		items.map(({ id }) => id),
		[ordered.id],
	);
});

// 409: an earlier request with its key is being answered still.
for (const status of [409, 429, 503])
	test(`after ${status} it waits as long as it is told, and asks again`, async () => {
		let refused = 0;
		const client = enter(async (input, init) => {
			if (String(input).includes("/v1/environments") && refused++ < 2)
				return new Response(null, { status, headers: { "retry-after": "0" } });
			return fetch(input, init);
		});
		assert.ok(await client.listEnvironments());
		assert.equal(refused, 3);
	});

test("events come each once over connections that break, to the end of the operation", async () => {
	const { environment, operation } = await givenEnvironment(door);
	const streams: string[] = [];
	const client = enter(async (input, init) => {
		const answer = await fetch(input, init);
		if (!String(input).endsWith("/events")) return answer;
		streams.push(new Headers(init?.headers).get("last-event-id") ?? "");
		if (streams.length > 1) return answer;
		// The first connection breaks behind its first event.
		const reader = answer.body?.getReader();
		let text = "";
		while (reader && !text.includes("\n\nid: 1\n"))
			text += new TextDecoder().decode((await reader.read()).value);
		await reader?.cancel();
		return new Response(text);
	});
	const seen: number[] = [];
	const following = (async () => {
		for await (const event of client.events({ operation: operation.id })) {
			seen.push(event.id);
			if (seen.length === 1) await end(environment.id, operation.id);
		}
	})();
	await following;
	assert.deepEqual(
		seen,
		seen.map((_, i) => i + 1),
	);
	assert.ok(seen.length >= 3);
	assert.deepEqual(streams.slice(0, 2), ["0", "1"]);
});

test("events go on after the service was away for longer than one request is sent again", async () => {
	const { environment, operation } = await givenEnvironment(door);
	await end(environment.id, operation.id);
	let refused = 0;
	const client = enter(async (input, init) => {
		if (String(input).endsWith("/events") && refused++ < 7)
			return Response.json(
				{ status: 503, code: "unavailable", detail: "It is away." },
				{
					status: 503,
					headers: {
						"retry-after": "0",
						"content-type": "application/problem+json",
					},
				},
			);
		return fetch(input, init);
	});
	const seen: number[] = [];
	for await (const event of client.events({ operation: operation.id }))
		seen.push(event.id);
	assert.ok(refused > 7);
	assert.deepEqual(
		seen,
		seen.map((_, i) => i + 1),
	);
	assert.ok(seen.length >= 3);
});

async function end(
	environment: Parameters<typeof appendEvents>[1]["environment"],
	operation: OperationId,
): Promise<void> {
	await begin(door, operation, "create");
	await succeed(door.db, operation, "create");
	await appendEvents(door.db, { environment, operation }, [
		{
			type: "operation.succeeded",
			data: { kind: "create", changes: noChanges },
		},
	]);
}

test("it waits for the end of an operation", async () => {
	const { id } = await givenReadyEnvironment(door);
	const client = enter();
	const ordered = await client.hibernateEnvironment({ id });
	assert.ok("kind" in ordered);
	const waiting = client.waitForOperation(ordered.id);
	const { environment } = await client.findOperation({ id: ordered.id });
	await begin(door, ordered.id as OperationId, "hibernate");
	await succeed(door.db, ordered.id as OperationId, "hibernate");
	await appendEvents(
		door.db,
		{
			environment: environment as typeof id,
			operation: ordered.id as OperationId,
		},
		[
			{
				type: "operation.succeeded",
				data: { kind: "hibernate", changes: noChanges },
			},
		],
	);
	assert.equal((await waiting).state, "succeeded");
});

test("who asks is told status and headers, of what is refused as well", async () => {
	const { data, status, headers } = await enter()
		.createEnvironment({ body: { name: "around" } })
		.withResponse();
	assert.equal(status, 202);
	assert.equal(headers.get("location"), `/v1/operations/${data.id}`);
	const again = enter().createEnvironment({ body: { name: "around" } });
	await assert.rejects(
		again.withResponse(),
		(error) =>
			error instanceof Problem &&
			error.status === 409 &&
			error.headers.has("x-request-id"),
	);
	const gone = await enter()
		.findEnvironment(
			{ id: "around" },
			{ headers: { "x-request-id": "req_me" } },
		)
		.withResponse();
	assert.ok(readEtag(gone.data));
	assert.equal(gone.headers.get("etag"), readEtag(gone.data));
});

test("who knows a thing already is not told it again", async () => {
	const client = enter();
	await client.createEnvironment({ body: { name: "known" } });
	const known = await client.findEnvironment({ id: "known" });
	const same = client.findEnvironment(
		{ id: "known" },
		{ ifNoneMatch: readEtag(known) },
	);
	assert.equal(await same, undefined);
	const { status, headers } = await same.withResponse();
	assert.deepEqual([status, headers.get("etag")], [304, readEtag(known)]);
	await client.describeEnvironment({
		id: "known",
		body: { description: "another" },
	});
	const other = await client.findEnvironment(
		{ id: "known" },
		{ ifNoneMatch: readEtag(known) },
	);
	assert.equal(other?.description, "another");
});

test("a list comes in lines, and goes on behind the last one", async () => {
	const { client } = door.admin;
	const make = (name: string) =>
		client.createToken({ body: { name, role: "viewer" } });
	const list = async (after?: string) => {
		const lines: Line<"listAudit">[] = [];
		const asked = { action: "createToken", ...(after && { after }) };
		for await (const line of client.lines("listAudit", asked)) lines.push(line);
		return lines;
	};
	const [one, two] = [await make("one"), await make("two")];
	// What goes on beside may hold the last of them back for a moment.
	const [first, second] = await until("both are told", async () => {
		const lines = await list();
		return lines.length === 2 ? lines : undefined;
	});
	assert.deepEqual(
		[first?.resource?.id, second?.resource?.id],
		[one.id, two.id],
	);
	assert.deepEqual(await list(first?.cursor), [second]);
	assert.deepEqual(await list(second?.cursor), []);
	const wrong = door.admin.client.lines("listAudit", { after: "latest" });
	await assert.rejects(
		wrong.next(),
		(error) => error instanceof Problem && error.status === 400,
	);
});

test("without a token it asks what needs none, and with the document at hand nothing else", async () => {
	const asked: string[] = [];
	const client = connect({
		url: door.url,
		document: {
			paths: { "/version": { get: { operationId: "findVersion" } } },
		},
		fetch: async (input, init) => {
			asked.push(String(input));
			assert.ok(!new Headers(init?.headers).has("authorization"));
			return fetch(input, init);
		},
	});
	assert.ok(await client.findVersion());
	assert.deepEqual(asked, [`${door.url}/version`]);
});
