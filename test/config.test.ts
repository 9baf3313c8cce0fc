import assert from "node:assert/strict";
import { test } from "node:test";
import { parseConfig } from "../src/config.ts";
import { Failure } from "../src/failure.ts";

const refuses = (variables: Record<string, string>, name: string) =>
	assert.throws(
		() => parseConfig(variables),
		(error) =>
			error instanceof Failure &&
			error.code === "not_set_up" &&
			error.message.includes(name),
		JSON.stringify(variables),
	);

test("origins are as browsers write them, and nobody's pages are let in without", () => {
	assert.deepEqual(parseConfig({}).corsOrigins, []);
	const origins = "https://portal.example.com, http://localhost:3000";
	assert.deepEqual(parseConfig({ CORS_ORIGINS: origins }).corsOrigins, [
		"https://portal.example.com",
		"http://localhost:3000",
	]);
	for (const wrong of [
		"*",
		"null",
		"portal.example.com",
		"https://portal.example.com/",
		"https://portal.example.com/app",
		"https://*.example.com",
		"https://Portal.example.com",
		"ftp://portal.example.com",
		"https://portal.example.com,",
	])
		refuses({ CORS_ORIGINS: wrong }, "CORS_ORIGINS");
});

test("the time of a drain is whole seconds", () => {
	assert.equal(parseConfig({}).drainSeconds, undefined);
	assert.equal(parseConfig({ DRAIN_SECONDS: "0" }).drainSeconds, 0);
	for (const wrong of ["-1", "2.5", "301", "5s"])
		refuses({ DRAIN_SECONDS: wrong }, "DRAIN_SECONDS");
});
