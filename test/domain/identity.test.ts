import assert from "node:assert/strict";
import { test } from "node:test";
import {
	claimPatterns,
	findRule,
	fitsClaims,
	issuers,
	nameSubject,
} from "../../src/domain/identity.ts";
import { nameSubjectId } from "../../src/domain/ids.ts";
import type { Role } from "../../src/domain/tenant.ts";

for (const [patterns, claims, expected] of [
	[{ sub: "a" }, { sub: "a" }, true],
	[{ sub: "a" }, {}, false],
	[{ sub: "*" }, {}, false],
	[{ sub: "a", ref: "main" }, { sub: "a", ref: "dev" }, false],
	[{ repository: "acme/*" }, { repository: "acme/shop" }, true],
	[{ groups: "ops" }, { groups: ["dev", "ops"] }, true],
	[{ groups: "ops" }, { groups: ["dev", ["ops"]] }, false],
	[{ verified: "true" }, { verified: true }, true],
	[{ id: "42" }, { id: 42 }, true],
	[{ realm: "*" }, { realm: { name: "a" } }, false],
	// What every object has is no claim.
	[{ constructor: "*" }, {}, false],
] as const) {
	test(`${JSON.stringify(patterns)} ${expected ? "fits" : "does not fit"} ${JSON.stringify(claims)}`, () => {
		assert.equal(fitsClaims({ ...patterns }, claims), expected);
	});
}

test("the highest role counts, and of equal ones the first", () => {
	const rule = (role: Role, id: number) => ({ claims: { sub: "*" }, role, id });
	const rules = [rule("viewer", 1), rule("admin", 2), rule("admin", 3)];
	assert.equal(findRule(rules, { sub: "a" })?.id, 2);
	assert.equal(findRule(rules, {}), undefined);
});

test("a rule must ask for something", () => {
	assert.ok(!claimPatterns.safeParse({}).success);
	assert.ok(claimPatterns.safeParse({ sub: "a" }).success);
});

test("a name holds nothing that cannot be shown", () => {
	assert.equal(nameSubject("u1", { email: "a@b.example" }), "a@b.example");
	assert.equal(nameSubject("u1", { email: "a\nb" }), "u1");
	assert.equal(nameSubject("u1", { email: 5 }), "u1");
});

test("a subject has the same id always, and another one with another issuer", () => {
	const id = nameSubjectId("https://a.example", "u1");
	assert.match(id, /^sub_[0-9a-z]{20}$/);
	assert.equal(nameSubjectId("https://a.example", "u1"), id);
	assert.notEqual(nameSubjectId("https://b.example", "u1"), id);
	assert.notEqual(nameSubjectId("https://a.example", "u2"), id);
});

for (const [issuer, isGood] of [
	["https://id.example.com", true],
	["http://127.0.0.1:5000", true],
	["http://id.example.com", false],
	["https://user:secret@id.example.com", false],
	["id.example.com", false],
] as const) {
	test(`${issuer} ${isGood ? "may" : "may not"} be an issuer`, () => {
		const { success } = issuers.safeParse([{ issuer, audience: "a" }]);
		assert.equal(success, isGood);
	});
}

test("an issuer is named once", () => {
	const one = { issuer: "https://id.example.com", audience: "a" };
	assert.ok(!issuers.safeParse([one, one]).success);
});
