import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { covers, fits } from "../../src/domain/glob.ts";

for (const [pattern, text, expected] of [
	["qa-*", "qa-1", true],
	["qa-*", "qa-", true],
	["qa-*", "qa", false],
	["qa-*", "prod-qa-1", false],
	["*", "", true],
	["*-eu", "shop-eu", true],
	["a*a", "a", false],
	["a*a", "aa", true],
	["a*b*c", "axbxbxc", true],
	["a*b*c", "acb", false],
	["acme/*", "acme/shop", true],
	["acme/*", "acme-evil/shop", false],
	["a.c", "abc", false],
	["qa-1", "qa-1", true],
	["qa-1", "qa-10", false],
] as const) {
	test(`${pattern} ${expected ? "takes" : "does not take"} "${text}"`, () => {
		assert.equal(fits(pattern, text), expected);
	});
}

const letters = (...some: string[]) =>
	fc
		.array(fc.constantFrom(...some), { maxLength: 7 })
		.map((all) => all.join(""));

test("it takes what a regular expression of the same meaning takes", () => {
	fc.assert(
		fc.property(letters("a", "b", "*"), letters("a", "b"), (pattern, text) => {
			const same = new RegExp(`^${pattern.replaceAll("*", ".*")}$`);
			assert.equal(fits(pattern, text), same.test(text));
		}),
		{ numRuns: 2_000 },
	);
});

test("a pattern that covers another takes all that the other takes", () => {
	const pattern = letters("a", "b", "*");
	fc.assert(
		fc.property(
			pattern,
			pattern,
			letters("a", "b", "c"),
			(outer, inner, text) => {
				fc.pre(covers(outer, inner) && fits(inner, text));
				assert.ok(fits(outer, text), `${outer} ${inner} ${text}`);
			},
		),
		{ numRuns: 1_000 },
	);
});

test("a pattern that does not cover another misses something that the other takes", () => {
	const pattern = letters("a", "b", "*");
	fc.assert(
		fc.property(pattern, pattern, (outer, inner) => {
			// A letter that no pattern names, where the inner one takes anything.
			const witness = inner.replaceAll("*", "c");
			assert.equal(covers(outer, inner), fits(outer, witness));
		}),
		{ numRuns: 2_000 },
	);
});

test("a pattern full of stars is answered at once", () => {
	const before = process.cpuUsage().user;
	for (let round = 0; round < 1_000; round++)
		assert.equal(fits("*a".repeat(31), `${"a".repeat(62)}b`), false);
	assert.ok(process.cpuUsage().user - before < 1_000_000);
});
