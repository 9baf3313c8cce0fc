import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { bodyLimitBytes } from "../../src/http/body.ts";
import { type Door, openDoor, type RawRequest, readPointers } from "./door.ts";

let door: Door;
before(async () => {
	door = await openDoor();
});
after(() => door.close());

interface Bad {
	readonly what: string;
	readonly request: RawRequest;
	readonly status: number;
	readonly pointers: readonly string[];
	readonly says: RegExp;
}

const dnsName = "a".repeat(33);
const deep = `${"[".repeat(100_000)}`;

const orders: readonly Bad[] = [
	{
		what: "an unknown field",
		request: { body: { name: "x", color: "red" } },
		status: 400,
		pointers: ["/color"],
		says: /not a known field/,
	},
	{
		what: "several wrong places at once",
		request: { body: { size: "xl", color: 1, shade: 2, labels: { a: 5 } } },
		status: 400,
		pointers: ["/color", "/labels/a", "/name", "/shade", "/size"],
		says: /5 places/,
	},
	{
		what: "a field of the wrong type",
		request: { body: { name: 5 } },
		status: 400,
		pointers: ["/name"],
		says: /must be a text/,
	},
	{
		what: "a missing name",
		request: { body: {} },
		status: 400,
		pointers: ["/name"],
		says: /is required/,
	},
	{
		what: "a name that is no DNS label",
		request: { body: { name: "Not_A_Label" } },
		status: 400,
		pointers: ["/name"],
		says: /DNS label/,
	},
	{
		what: "a name that is too long",
		request: { body: { name: dnsName } },
		status: 400,
		pointers: ["/name"],
		says: /at most 32 characters/,
	},
	{
		what: "a size that does not exist",
		request: { body: { name: "x", size: "galactic" } },
		status: 400,
		pointers: ["/size"],
		says: /small, ha/,
	},
	{
		what: "a release that does not exist",
		request: { body: { name: "x", release: "0.0.1" } },
		status: 400,
		pointers: ["/release"],
		says: /does not exist/,
	},
	{
		what: "a target that does not exist",
		request: { body: { name: "x", target: "moon" } },
		status: 400,
		pointers: ["/target"],
		says: /does not exist/,
	},
	{
		what: "a label whose name needs escaping in a pointer",
		request: { body: { name: "x", labels: { "a/b~c": "1" } } },
		status: 400,
		pointers: ["/labels/a~1b~0c"],
		says: /label name/,
	},
	{
		what: "a field named __proto__",
		request: { raw: '{"name":"x","__proto__":{"size":"ha"}}' },
		status: 400,
		pointers: ["/__proto__"],
		says: /not a known field/,
	},
	{
		what: "a character that cannot be stored",
		request: { body: { name: "x", description: "a\0b" } },
		status: 400,
		pointers: ["/description"],
		says: /U\+0000/,
	},
	{
		what: "a body over the limit",
		request: { body: { name: "x", description: "y".repeat(bodyLimitBytes) } },
		status: 413,
		pointers: [""],
		says: /larger than 262144 bytes/,
	},
	{
		what: "a body over the limit of which the length was not said",
		request: {
			raw: "",
			headers: { "x-chunked": "yes" },
		},
		status: 413,
		pointers: [""],
		says: /larger than 262144 bytes/,
	},
	{
		what: "broken JSON",
		request: { raw: '{\n  "name": "x",\n  "size": small\n}' },
		status: 400,
		pointers: [""],
		says: /line 3, column 11, a value was expected/,
	},
	{
		what: "JSON that ends too early",
		request: { raw: '{"name": "x"' },
		status: 400,
		pointers: [""],
		says: /line 1, column 13, a comma or } was expected/,
	},
	{
		what: "JSON that is nested very deeply",
		request: { raw: deep },
		status: 400,
		pointers: [""],
		says: /not JSON/,
	},
	{
		what: "deeply nested JSON that is complete",
		request: { raw: deep + "]".repeat(100_000) },
		status: 400,
		pointers: [""],
		says: /must be an object/,
	},
	{
		what: "bytes that are not UTF-8",
		request: { raw: Uint8Array.of(0x22, 0xff, 0x22) },
		status: 400,
		pointers: [""],
		says: /not UTF-8/,
	},
	{
		what: "a form",
		request: {
			raw: "name=x",
			headers: { "content-type": "application/x-www-form-urlencoded" },
		},
		status: 415,
		pointers: ["/header/content-type"],
		says: /not declared as JSON/,
	},
	{
		what: "a body without a content type",
		request: { raw: '{"name":"x"}', headers: { "content-type": "" } },
		status: 415,
		pointers: ["/header/content-type"],
		says: /not declared as JSON/,
	},
	{
		what: "another character set",
		request: {
			raw: '{"name":"x"}',
			headers: { "content-type": "application/json; charset=latin1" },
		},
		status: 415,
		pointers: ["/header/content-type"],
		says: /UTF-8/,
	},
	{
		what: "a compressed body",
		request: { raw: "x", headers: { "content-encoding": "gzip" } },
		status: 415,
		pointers: ["/header/content-encoding"],
		says: /encoded \(gzip\)/,
	},
	{
		what: "no body",
		request: {},
		status: 400,
		pointers: [""],
		says: /is empty/,
	},
	{
		what: "an empty body",
		request: { raw: "" },
		status: 400,
		pointers: [""],
		says: /is empty/,
	},
];

/** A body that fetch sends in chunks, since it does not know its length. */
async function sendChunked(token: string) {
	const response = await fetch(`${door.url}/v1/environments`, {
		method: "POST",
		headers: {
			authorization: `Bearer ${token}`,
			"content-type": "application/json",
		},
		body: new ReadableStream({
			pull(controller) {
				controller.enqueue(new Uint8Array(bodyLimitBytes / 2).fill(0x20));
				if (++pulls === 3) controller.close();
			},
		}),
		duplex: "half",
	} as RequestInit);
	const text = await response.text();
	return {
		status: response.status,
		headers: response.headers,
		text,
		body: JSON.parse(text),
	};
}
let pulls = 0;

for (const { what, request, status, pointers, says } of orders) {
	test(`an order with ${what} is refused, and nothing is stored`, async () => {
		const { token } = door.operator;
		const answer =
			request.headers?.["x-chunked"] === undefined
				? await door.sendRaw("POST", "/v1/environments", { token, ...request })
				: await sendChunked(token);
		assert.equal(answer.status, status, answer.text);
		assert.deepEqual(readPointers(answer), pointers);
		assert.match(answer.text, says);
		assert.equal(answer.body.retryable, false);
		assert.ok(answer.body.untouched, "says what was left untouched");
		assert.ok(answer.body.advice, "says what to do");
		assert.ok(!answer.text.includes("    at "), "shows no stack");
		for (const table of ["environments", "operations", "events"] as const) {
			const rows = await door.db.selectFrom(table).selectAll().execute();
			assert.deepEqual(rows, []);
		}
		assert.deepEqual(door.installation.sent, []);
	});
}

const queries: readonly (readonly [string, string, RegExp])[] = [
	["pageSize=0", "/query/pageSize", /at least 1/],
	["pageSize=201", "/query/pageSize", /at most 200/],
	["pageSize=ten", "/query/pageSize", /must be a whole number|a number/],
	["pageSize=1e2", "/query/pageSize", /number/],
	["pageSize=", "/query/pageSize", /number/],
	["pageSize=1&pageSize=2", "/query/pageSize", /not a list/],
	["lifecycle=asleep", "/query/lifecycle", /creating, ready/],
	["name=UPPER", "/query/name", /DNS label/],
	["label=novalue", "/query/label/0", /key=value/],
	["label=a=b&label=%00", "/query/label/1", /key=value/],
	["pageToken=nonsense", "/query/pageToken", /not a token/],
	["colour=red", "/query/colour", /not a known field/],
	["__proto__=x", "/query/__proto__", /not a known field/],
	["toString=x", "/query/toString", /not a known field/],
];

for (const [query, pointer, says] of queries) {
	test(`the query ${query} is refused`, async () => {
		const answer = await door.sendRaw("GET", `/v1/environments?${query}`, {
			token: door.viewer.token,
		});
		assert.equal(answer.status, 400, answer.text);
		assert.deepEqual(readPointers(answer), [pointer]);
		assert.match(answer.text, says);
	});
}

test("a path that is not percent-encoded UTF-8 is refused", async () => {
	const answer = await door.sendRaw("GET", "/v1/environments/%ff", {
		token: door.viewer.token,
	});
	assert.equal(answer.status, 400);
	assert.deepEqual(readPointers(answer), ["/path"]);
});

test("what callers did wrong is not in the log as a mistake of ours", () => {
	assert.deepEqual(
		door.log.filter((line) => line.level !== "info"),
		[],
	);
});
