import assert from "node:assert/strict";
import { test } from "node:test";
import { createTokenText, looksLikeToken } from "../../src/domain/token.ts";

test("a token has the form that scanners of secrets look for", () => {
	const text = createTokenText();
	assert.match(text, /^imp_[0-9A-Za-z]{43}[0-9A-Za-z]{6}$/);
	assert.ok(looksLikeToken(text));
	assert.notEqual(createTokenText(), text);
});

test("the tail is the CRC-32 of the random part in base 62", () => {
	// Computed by another implementation of both.
	assert.ok(looksLikeToken(`imp_${"x".repeat(43)}1nNfvf`));
});

test("a token with a slip of the pen is not looked up", () => {
	const text = createTokenText();
	const other = text.at(10) === "a" ? "b" : "a";
	assert.ok(!looksLikeToken(`${text.slice(0, 10)}${other}${text.slice(11)}`));
	assert.ok(!looksLikeToken(text.slice(0, -1)));
	assert.ok(!looksLikeToken(`${text}a`));
});

test("a token of before there was a checksum is one", () => {
	assert.ok(looksLikeToken(`imp_${"-_aA0".repeat(9).slice(0, 43)}`));
});
