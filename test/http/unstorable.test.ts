// What JSON allows and the service cannot keep as it was sent is refused, and neither changed on its way nor our mistake.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type Door, openDoor, readPointers } from "./door.ts";

let door: Door;
before(async () => {
	door = await openDoor();
});
after(() => door.close());

const rule = (claims: string) =>
	`{"issuer": "https://ci.example.com", "tenant": "acme", "role": "viewer", "claims": ${claims}}`;

const cases: readonly (readonly [
	what: string,
	path: string,
	raw: string,
	pointer: string,
])[] = [
	[
		"a lone surrogate in a name",
		"/v1/tokens",
		String.raw`{"name": "ci \ud800", "role": "viewer"}`,
		"/name",
	],
	[
		"a lone surrogate in a claim",
		"/v1/identity-rules",
		rule(String.raw`{"sub": "\udc00"}`),
		"/claims/sub",
	],
	[
		"a lone surrogate in the name of a claim",
		"/v1/identity-rules",
		rule(String.raw`{"\ud800": "ci"}`),
		"/claims/\ud800",
	],
	[
		"the character U+0000 in the name of a claim",
		"/v1/identity-rules",
		rule(String.raw`{"\u0000": "ci"}`),
		"/claims/\0",
	],
	// Without it the rule would hold for more callers than whoever wrote it wanted.
	[
		"a claim that would be left out",
		"/v1/identity-rules",
		rule('{"__proto__": "ci", "sub": "*"}'),
		"/claims/__proto__",
	],
	[
		"a label that would be left out",
		"/v1/environments",
		'{"name": "qa-1", "labels": {"__proto__": "a"}}',
		"/labels/__proto__",
	],
	[
		"a time whose year has five digits in UTC",
		"/v1/tokens",
		'{"name": "ci", "role": "viewer", "expiresAt": "9999-12-31T23:59:59-23:59"}',
		"/expiresAt",
	],
];
for (const [what, path, raw, pointer] of cases)
	test(`${what} is refused`, async () => {
		const { token } = door.platformAdmin;
		const answer = await door.sendRaw("POST", path, { token, raw });
		assert.equal(answer.status, 400, answer.text);
		assert.deepEqual(readPointers(answer), [pointer]);
	});

test("a pair of surrogates is one character, and is kept", async () => {
	const { name } = await door.platformAdmin.client.createToken({
		body: { name: "ci \u{1f680}", role: "viewer" },
	});
	assert.equal(name, "ci \u{1f680}");
});

test("a list with two values of one label is refused, and with one value twice is not", async () => {
	const list = (query: string) =>
		door.sendRaw("GET", `/v1/environments?${query}`, {
			token: door.viewer.token,
		});
	const both = await list("label=team=a&label=team=b");
	assert.equal(both.status, 400, both.text);
	assert.deepEqual(readPointers(both), ["/query/label"]);
	assert.equal((await list("label=team=a&label=team=a")).status, 200);
});
