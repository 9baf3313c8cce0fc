// The tests ask by the client, as users do. Raw requests are for what it refuses to send or cannot show, and these files send them.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { test } from "node:test";

const root = resolve(import.meta.dirname, "..");

type Files = Readonly<Record<string, readonly string[]>>;

const mayAskRaw: Files = {
	"bodies, queries, paths, headers and methods that there are not": [
		"http/api.test.ts",
		"http/bad-input.test.ts",
		"http/events.test.ts",
		"http/fuzz.test.ts",
		"http/headers.test.ts",
		"http/idempotency.test.ts",
		"http/many-errors.test.ts",
		"http/no-secrets.test.ts",
		"http/operations.test.ts",
		"http/problem-pages.test.ts",
		"http/server.test.ts",
		"http/unstorable.test.ts",
		"http/upgrade.test.ts",
	],
	"pages, metrics, lines as they stand, and commands of the README": [
		"http/audit.test.ts",
		"http/docs.test.ts",
		"http/metrics.test.ts",
		"http/readme.test.ts",
	],
};

const mayAskByHand: Files = {
	"what carries the client's own requests, and the raw ones": [
		"client/client.test.ts",
		"http/door.ts",
		"support/service.ts",
	],
	"headers left out, a body in pieces": [
		"http/bad-input.test.ts",
		"http/etag.test.ts",
		"http/idempotency.test.ts",
		"http/matched.test.ts",
	],
	"a connection that is used for more than one request, or badly": [
		"http/readiness.test.ts",
		"http/server.test.ts",
	],
	"a stream as it comes, and another client of it": [
		"http/dropped-stream.test.ts",
		"http/stream-client.ts",
	],
	"metrics, and commands of the README": [
		"flows/traced.long.ts",
		"http/metrics.test.ts",
		"judges/answers.ts",
		"support/curl.mjs",
	],
	"the engine's backend, which is another API": [
		"backend/access.test.ts",
		"backend/given.ts",
		"backend/journal.test.ts",
		"backend/wire.ts",
	],
	"others than the service, and who stands before its database or cluster": [
		"programs/gates.test.ts",
		"sandbox/certificates.test.ts",
		"support/aws.ts",
		"support/cutting-proxy.ts",
		"support/moody-api.ts",
		"support/tcp-proxy.ts",
		"worker/consume.test.ts",
	],
};

/** Each of them sends without the client, or opens that by which one can. */
const byHand = [
	/(?<!typeof )\bfetch\b(?!["'?:])/,
	/\bhttps?2?\.(request|get|connect)\(/,
	/import \{[^}]*(?<!type )\b(request|get|connect|Socket)\b[^}]*\} from "node:(https?|http2|net|tls)"/,
	/from "(undici|eventsource)"/,
	/\bnew WebSocket\(/,
];

const comments = /^\s*(\/\/|\*|\/\*).*$/gm;

const listFiles = (isMeant: (text: string) => boolean): string[] =>
	readdirSync(root, { recursive: true, withFileTypes: true })
		.filter((entry) => entry.isFile() && /\.m?[jt]s$/.test(entry.name))
		.map((entry) => join(entry.parentPath, entry.name))
		.filter((file) =>
			isMeant(readFileSync(file, "utf8").replaceAll(comments, "")),
		)
		.map((file) => relative(root, file))
		.filter((file) => file !== "client/raw.test.ts")
		.sort();

test("nobody else sends what the client does not", () => {
	assert.deepEqual(
		listFiles((text) => /\.sendRaw\(/.test(text)),
		Object.values(mayAskRaw).flat().sort(),
	);
});

test("nobody else opens a connection of his own", () => {
	assert.deepEqual(
		listFiles((text) => byHand.some((way) => way.test(text))),
		Object.values(mayAskByHand).flat().sort(),
	);
});

for (const text of [
	"const answer = await fetch(url);",
	"const ask = fetch;",
	"connect({ url, fetch });",
	"await globalThis.fetch(url)",
	"client({ fetch: fetch })",
	'http.request("http://127.0.0.1")',
	'import { type IncomingMessage, request } from "node:http";',
	'import { connect } from "node:net";',
	'import { request } from "undici";',
])
	test(`it is seen that this asks without the client: ${text}`, () => {
		assert.ok(byHand.some((way) => way.test(text)));
	});
