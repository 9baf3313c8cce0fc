import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { locateSyntaxError } from "../../src/http/json-syntax.ts";

const places: readonly (readonly [string, number, number, string])[] = [
	["", 1, 1, "a value"],
	["  ", 1, 3, "a value"],
	["abc", 1, 1, "a value"],
	['{"a"', 1, 5, "a colon"],
	['{"a" 1}', 1, 6, "a colon"],
	['{"a":}', 1, 6, "a value"],
	['{"a":1 "b":2}', 1, 8, "a comma or }"],
	['{"a":1,}', 1, 8, "a key in double quotes"],
	["{a:1}", 1, 2, "a key in double quotes or }"],
	["{'a':1}", 1, 2, "a key in double quotes or }"],
	["[1 2]", 1, 4, "a comma or ]"],
	["[1,]", 1, 4, "a value"],
	["[", 1, 2, "a value or ]"],
	["{}{}", 1, 3, "the end"],
	["01", 1, 2, "the end"],
	['"line\nbreak"', 1, 1, "a value"],
	['{\n\t"a": tru\n}', 2, 7, "a value"],
	['[[{"a":[1,{"b":2]}]]', 1, 17, "a comma or }"],
];

for (const [text, line, column, expected] of places) {
	test(`in ${JSON.stringify(text)} ${expected} is missing at ${line}:${column}`, () => {
		assert.throws(() => JSON.parse(text));
		assert.deepEqual(locateSyntaxError(text), { line, column, expected });
	});
}

test("whatever JSON.parse takes has no such place", () => {
	fc.assert(
		fc.property(fc.json(), fc.nat({ max: 4 }), (text, indent) => {
			const spaced = JSON.stringify(JSON.parse(text), undefined, indent);
			assert.equal(locateSyntaxError(text), undefined);
			assert.equal(locateSyntaxError(spaced), undefined);
		}),
	);
});

test("whatever JSON.parse refuses has one, and its text before it can be continued", () => {
	fc.assert(
		fc.property(fc.json(), fc.nat(), fc.string(), (text, at, noise) => {
			const cut = at % (text.length + 1);
			const broken = text.slice(0, cut) + noise + text.slice(cut + 1);
			let isJson = true;
			try {
				JSON.parse(broken);
			} catch {
				isJson = false;
			}
			assert.equal(locateSyntaxError(broken) === undefined, isJson);
		}),
	);
});
