// The audit log, by a walk over everything that changes something.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { sql } from "kysely";
import type { Asked, Declared } from "../../client/declared.ts";
import { api } from "../../src/contract/api.ts";
import { auditLine, exportedLine } from "../../src/contract/audit.ts";
import type { Endpoint } from "../../src/contract/endpoint.ts";
import { describeService } from "../../src/domain/audit.ts";
import { leastRoles } from "../../src/domain/permission.ts";
import { type Denials, openDenials } from "../../src/http/denials.ts";
import { appendAudit } from "../../src/store/audit.ts";
import { answered, refused } from "../support/answers.ts";
import { askAny, askByPath } from "../support/ask-by-path.ts";
import { silentLog } from "../support/given.ts";
import { until } from "../support/until.ts";
import {
	type Door,
	givenEnvironment,
	givenReadyEnvironment,
	openDoor,
	type Person,
} from "./door.ts";
import { composeExample, type Examples, givenExamples } from "./examples.ts";

let door: Door;
let denials: Denials;
let examples: Examples;
before(async () => {
	door = await openDoor({ onDenied: (...told) => denials.note(...told) });
	denials = openDenials(
		{ db: door.db, log: silentLog },
		{ windowMs: 3_600_000, mostUnknown: 5 },
	);
	examples = await givenExamples(door);
});
after(async () => {
	await denials.close();
	await door.close();
});

type Line = (typeof auditLine)["_zod"]["output"];

async function listLines(
	query: string,
	{ token }: Person = door.platformAdmin,
): Promise<Line[]> {
	const asked = Object.fromEntries(new URLSearchParams(query));
	const { items } = await door.as(token).listAudit({
		...asked,
		...(asked.pageSize && { pageSize: Number(asked.pageSize) }),
	} as Asked<Declared["listAudit"]>);
	return items;
}

const lastId = async () => Number((await listLines("pageSize=1"))[0]?.id ?? 0);

/** Lines behind that one, oldest first. */
const listSince = async (id: number) =>
	(await listLines("pageSize=200"))
		.filter((line) => Number(line.id) > id)
		.reverse();

function decideCaller({ permission }: Endpoint): Person {
	assert.ok(permission);
	const role = leastRoles[permission];
	return role === "platform-admin" ? door.platformAdmin : door[role];
}

const changing = api.filter(({ method }) => method !== "GET");

for (const endpoint of changing) {
	test(`${endpoint.name} leaves exactly one line`, async () => {
		const caller = decideCaller(endpoint);
		const { path, asked } = composeExample(examples, endpoint);
		const start = await lastId();
		const answer = await answered(askAny(caller.client, endpoint, asked));
		assert.equal(answer.status, endpoint.status, answer.text);
		const [line, ...others] = await listSince(start);
		assert.deepEqual(others, []);
		assert.ok(line);
		auditLine.parse(line);
		assert.deepEqual(line.actor, {
			kind: "machine",
			id: caller.actor.token,
			name: caller.actor.name,
			tenant: caller.actor.tenant.name,
		});
		assert.deepEqual(
			[line.action, line.method, line.path, line.status, line.code],
			[endpoint.name, endpoint.method, path, endpoint.status, null],
		);
		assert.equal(line.address, "127.0.0.1");
		assert.equal(line.requestId, answer.headers.get("x-request-id"));
		assert.equal(
			line.operation,
			endpoint.orders ? answer.body.id : null,
			"operation",
		);
		assert.ok(line.resource?.id);
		const names = path.includes(line.resource.id) || endpoint.orders;
		const made = [answer.body.id, answer.body.name].includes(line.resource.id);
		assert.ok(names || made, line.resource.id);
		if (endpoint.name !== "deleteIdentityRule") assert.ok(line.after);
		if (endpoint.params !== undefined) assert.ok(line.before);
	});
}

test("no line has a secret that was sent, made or kept", async () => {
	const { token: secret } = await door.admin.client.createToken({
		body: { name: "hush", role: "viewer" },
	});
	const parameters = {
		smtp: {
			host: "mail.example.com",
			sender: "maestro@example.com",
			username: "maestro",
			password: "hush-hush-mail",
		},
	};
	await door.operator.client.createEnvironment({
		body: { name: "quiet", parameters },
	});
	const { rows } = await sql<{ text: string }>`
		select a::text as text from audit a`.execute(door.db);
	const all = rows.map(({ text }) => text).join("\n");
	assert.ok(all.includes("quiet"));
	for (const hidden of [
		secret,
		"hush-hush",
		"whsec_",
		"imp_",
		door.admin.token,
	])
		assert.ok(!all.includes(hidden), hidden);
});

test("what was before and what is after are told", async () => {
	const { id } = await givenReadyEnvironment(door, "told");
	const start = await lastId();
	await door.operator.client.describeEnvironment({
		id: "told",
		body: { description: "new" },
	});
	await door.operator.client.upgradeEnvironment({ id, body: { size: "ha" } });
	const [described, upgraded] = await listSince(start);
	assert.deepEqual(
		[described?.before?.description, described?.after?.description],
		["", "new"],
	);
	assert.deepEqual(described?.resource, { kind: "environment", id });
	assert.deepEqual(
		[upgraded?.before?.size, upgraded?.before?.desiredRevision],
		["small", 1],
	);
	assert.deepEqual(
		[upgraded?.after?.size, upgraded?.after?.desiredRevision],
		["ha", 2],
	);
	assert.equal(upgraded?.environment, id);
});

test("what is refused changes nothing and leaves no line", async () => {
	const start = await lastId();
	const { client } = door.admin;
	for (const [method, path, body, status] of [
		["POST", "/v1/environments", { name: "UPPER" }, 400],
		["DELETE", "/v1/environments/missing", undefined, 404],
		["POST", "/v1/environments", { name: "told" }, 409],
	] as const) {
		const answer = await refused(askByPath(client, [method, path, body]));
		assert.equal(answer.status, status, answer.message);
	}
	assert.deepEqual(await listSince(start), []);
});

test("a repeat of a request with a key leaves no second line", async () => {
	const start = await lastId();
	const order = () =>
		door.operator.client
			.createEnvironment(
				{ body: { name: "once" } },
				{ idempotencyKey: "once-and-no-more" },
			)
			.withResponse();
	const answers = [await order(), await order()];
	assert.deepEqual(
		answers.map(({ status }) => status),
		[202, 202],
	);
	assert.equal((await listSince(start)).length, 1);
});

test("a change and its line are one: where the line cannot be written nothing is changed", async () => {
	await sql`alter table audit add constraint broken check (action <> 'createTenant') not valid`.execute(
		door.db,
	);
	const body = { name: "lineless" };
	const answer = await refused(
		door.platformAdmin.client.createTenant({ body }),
	);
	await sql`alter table audit drop constraint broken`.execute(door.db);
	assert.equal(answer.status, 500);
	const { rows } =
		await sql`select from tenants where name = 'lineless'`.execute(door.db);
	assert.equal(rows.length, 0);
});

for (const [what, statement] of [
	["changed", sql`update audit set actor_name = 'nobody'`],
	["deleted", sql`delete from audit`],
	["emptied", sql`truncate audit`],
] as const)
	test(`the table is not ${what}, not even by its owner`, async () => {
		await assert.rejects(statement.execute(door.db), /only ever added to/);
	});

test("of denied attempts that are the same the first is written at once, and the others as one line", async () => {
	const start = await lastId();
	const { client, actor } = door.viewer;
	const path = "/v1/environments/told?x=secret";
	const deny = () => refused(askByPath(client, ["DELETE", path]));
	for (let index = 0; index < 5; index++)
		assert.equal((await deny()).status, 403);
	const [first, ...none] = await listSince(start);
	assert.deepEqual(none, []);
	assert.ok(first);
	assert.equal(first.actor.id, actor.token);
	assert.deepEqual(
		[first.action, first.status, first.code, first.attempts, first.path],
		["destroyEnvironment", 403, "forbidden", 1, "/v1/environments/told"],
	);
	assert.deepEqual(first.resource, { kind: "environment", id: "told" });
	assert.match(String(first.reason), /environments:destroy/);
	await denials.flush();
	const [, rest, ...noMore] = await listSince(start);
	assert.deepEqual(noMore, []);
	assert.equal(rest?.attempts, 4);
	await denials.flush();
	assert.equal((await listSince(start)).length, 2);
});

test("unknown callers cannot fill the log, whatever they ask for", async () => {
	await denials.flush();
	await denials.flush();
	const start = await lastId();
	const guarded = api.filter(({ permission }) => permission !== null);
	const asked = guarded.slice(0, 30);
	for (let round = 0; round < 3; round++)
		for (const endpoint of asked) {
			const { asked } = composeExample(examples, endpoint);
			const unknown = door.as(`imp_${"x".repeat(20)}`);
			const answer = await refused(askAny(unknown, endpoint, asked));
			assert.equal(answer.status, 401);
		}
	await denials.flush();
	const lines = await listSince(start);
	// Five that are told apart and one for all others; each once at first, and once with a count.
	assert.ok(lines.length <= 12, `${lines.length}`);
	const count = lines.reduce((sum, line) => sum + line.attempts, 0);
	assert.equal(count, 90);
	for (const line of lines) {
		assert.equal(line.actor.kind, "unknown");
		assert.equal(line.code, "unauthenticated");
	}
});

test("a tenant's admin reads what concerns his tenant, whoever did it, and nothing else", async () => {
	const own = await listLines("pageSize=200", door.admin);
	assert.ok(own.length > 10);
	await givenEnvironment(door, "seen");
	await refused(
		door.platformAdmin.client.describeEnvironment({ id: "told", body: {} }),
	);
	const { environment } = await givenEnvironment(door, "touched");
	const body = { description: "by the platform" };
	await door.platformAdmin.client.describeEnvironment({
		id: environment.id,
		body,
	});
	const [latest] = await listLines("pageSize=1", door.admin);
	assert.deepEqual(
		[latest?.environment, latest?.actor.tenant],
		[environment.id, "platform"],
	);
	const foreign = await listLines("pageSize=200", door.stranger);
	assert.ok(foreign.every(({ actor }) => actor.tenant !== "acme"));
	assert.ok(!foreign.some((line) => line.environment === environment.id));
	const narrow = await door.admin.client.createToken({
		body: { name: "narrow", role: "admin", environments: "qa-*" },
	});
	const problem = await refused(door.as(narrow.token).listAudit());
	assert.equal(problem.status, 403);
});

test("lines are found by actor, action, environment and time, in pages", async () => {
	const { environment } = await givenEnvironment(door, "found");
	const { actor } = door.operator;
	const before = new Date();
	for (const description of ["1", "2", "3"])
		await door.operator.client.describeEnvironment({
			id: environment.id,
			body: { description },
		});
	const ofIt = `environment=${environment.id}`;
	assert.equal((await listLines(ofIt)).length, 3);
	for (const [filter, count] of [
		[`actor=${actor.token}`, 3],
		[`actor=${encodeURIComponent(actor.name)}`, 3],
		[`actor=${door.admin.actor.token}`, 0],
		["action=describeEnvironment", 3],
		["action=destroyEnvironment", 0],
		[`since=${before.toISOString()}`, 3],
		[`until=${before.toISOString()}`, 0],
	] as const)
		assert.equal((await listLines(`${ofIt}&${filter}`)).length, count, filter);
	const page = (more: { readonly pageToken?: string } = {}) =>
		door.admin.client.listAudit({
			environment: environment.id,
			pageSize: 2,
			...more,
		});
	const first = await page();
	const second = await page({ pageToken: String(first.nextPageToken) });
	assert.deepEqual(
		[...first.items, ...second.items].map(({ after }) => after?.description),
		["3", "2", "1"],
	);
	assert.equal(second.nextPageToken, null);
});

test("all lines of a filter are had as JSON lines, however many they are", async () => {
	for (let index = 0; index < 1_100; index++)
		await appendAudit(door.db, {
			actor: describeService("test"),
			action: "service.count",
			request: null,
			thing: null,
			before: null,
			operation: null,
			denial: null,
		});
	const ask = () =>
		door.sendRaw("GET", "/v1/audit?action=service.count", {
			token: door.platformAdmin.token,
			headers: { accept: "application/x-ndjson" },
		});
	// What goes on beside may hold the last of them back for a moment.
	const answer = await until("all are told", async () => {
		const answer = await ask();
		return answer.text.trimEnd().split("\n").length >= 1_100 && answer;
	});
	assert.equal(answer.status, 200);
	assert.match(
		answer.headers.get("content-type") ?? "",
		/^application\/x-ndjson/,
	);
	const lines = answer.text.trimEnd().split("\n");
	assert.equal(lines.length, 1_100);
	const ids = lines.map((text) =>
		Number(exportedLine.parse(JSON.parse(text)).id),
	);
	assert.equal(new Set(ids).size, 1_100);
	assert.deepEqual(
		ids,
		ids.toSorted((a, b) => a - b),
	);
	const none = await door.sendRaw("GET", "/v1/audit?action=none", {
		token: door.platformAdmin.token,
		headers: { accept: "application/x-ndjson" },
	});
	assert.deepEqual([none.status, none.text], [200, ""]);
});
