import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { problem } from "../../src/contract/problem.ts";
import { failureCodes } from "../../src/failure.ts";
import { type Door, openDoor } from "./door.ts";

let door: Door;
before(async () => {
	door = await openDoor();
});
after(() => door?.close());

const browser = {
	accept: "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
};

test("every code has a page of its own that says what to do, for people and for programs", async () => {
	const pages = new Set<string>();
	for (const code of failureCodes) {
		const { status, body } = await door.sendRaw("GET", `/problems/${code}`);
		assert.equal(status, 200);
		assert.equal(body.code, code);
		const page = await door.sendRaw("GET", `/problems/${code}`, {
			headers: browser,
		});
		assert.match(page.headers.get("content-type") ?? "", /^text\/html/);
		assert.ok(page.text.includes(`<code>${code}</code>`));
		assert.ok(page.text.includes("What to do"));
		pages.add(String(body.happened));
	}
	assert.equal(pages.size, failureCodes.length);
});

test("the list leads to each of them", async () => {
	const { body } = await door.sendRaw("GET", "/problems");
	assert.equal((body.items as unknown[]).length, failureCodes.length);
	const page = await door.sendRaw("GET", "/problems", { headers: browser });
	for (const code of failureCodes)
		assert.ok(page.text.includes(`href="/problems/${code}"`), code);
});

test("the type of a problem leads to its page", async () => {
	const refused = await door.sendRaw("GET", "/v1/environments");
	const { type, code } = problem.parse(refused.body);
	const { pathname } = new URL(type, door.url);
	const page = await door.sendRaw("GET", pathname);
	assert.equal(page.body.code, code);
});

test("a code that there is not has no page", async () => {
	const { status } = await door.sendRaw("GET", "/problems/nonsense");
	assert.equal(status, 404);
	const foul = await door.sendRaw("GET", "/problems/%3Cscript%3E", {
		headers: browser,
	});
	assert.equal(foul.status, 400);
});
