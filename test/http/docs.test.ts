// The page and its worked examples: each of them is asked of the API, on things that are there for it.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { answered } from "../support/answers.ts";
import { askAny } from "../support/ask-by-path.ts";
import { type Door, openDoor } from "./door.ts";
import {
	composeExample,
	type Examples,
	givenExamples,
	guarded,
} from "./examples.ts";

let door: Door;
let given: Examples;
before(async () => {
	door = await openDoor();
	given = await givenExamples(door);
});
after(() => door?.close());

test("the page and all that it needs come from here, and may load nothing from elsewhere", async () => {
	const page = await door.sendRaw("GET", "/docs");
	assert.equal(page.status, 200);
	const policy = page.headers.get("content-security-policy") ?? "";
	assert.match(policy, /default-src 'none'/);
	assert.doesNotMatch(policy, /https?:|\*/);
	const needed = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map(
		([, path = ""]) => path,
	);
	assert.ok(needed.length >= 3);
	for (const path of needed) {
		assert.match(path, /^\/docs\//);
		const { status, text } = await door.sendRaw("GET", path);
		assert.equal(status, 200, path);
		assert.ok(text.length > 100, path);
	}
});

test("the page begins with the document", async () => {
	const { text } = await door.sendRaw("GET", "/docs/begin.js");
	const [, path = ""] = /url: "([^"]+)"/.exec(text) ?? [];
	assert.equal((await door.sendRaw("GET", path)).body.openapi, "3.1.0");
});

test("nothing else of the package is had, and nothing but by GET", async () => {
	for (const path of [
		"/docs/",
		"/docs/package.json",
		"/docs/..%2fpackage.json",
	])
		assert.equal((await door.sendRaw("GET", path)).status, 404, path);
	const { status, headers } = await door.sendRaw("POST", "/docs");
	assert.equal(status, 405);
	assert.equal(headers.get("allow"), "GET, HEAD");
});

/** What an example names stands for what is there for the endpoint. */
function replaceIds(body: unknown, own: unknown): unknown {
	const backup = (own as { backup?: string } | undefined)?.backup;
	const text = JSON.stringify(body);
	return JSON.parse(text.replace(/bak_0123456789abcdefghjk/, backup ?? ""));
}

for (const { endpoint, role } of guarded) {
	endpoint.examples?.forEach(({ summary, body }, i) => {
		test(`${endpoint.name} does what its example says: ${summary}`, async () => {
			const { asked, body: own } = composeExample(given, endpoint);
			const person =
				role === "platform-admin" ? door.platformAdmin : door[role];
			const answer = await answered(
				askAny(
					person.client,
					endpoint,
					{ ...asked, body: replaceIds(body, own) },
					{ idempotencyKey: `${endpoint.name}-${i}` },
				),
			);
			const good = [endpoint.status, ...(endpoint.unneeded ? [200] : [])];
			assert.ok(good.includes(answer.status as 200), answer.text);
		});
	});
}
