import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import type { Endpoint } from "../../src/contract/endpoint.ts";
import { parseInput } from "../../src/contract/parse.ts";
import { Failure } from "../../src/failure.ts";

const endpoint = {
	name: "test",
	summary: "",
	method: "POST",
	path: "/{id}",
	permission: null,
	params: z.strictObject({ id: z.string().max(3) }),
	query: z.strictObject({
		count: z.int().min(1).default(7),
		isDeep: z.boolean().optional(),
		tag: z.array(z.string()).default([]),
	}),
	body: z.strictObject({
		name: z.string().max(3),
		inner: z
			.strictObject({ list: z.array(z.strictObject({ at: z.iso.datetime() })) })
			.optional(),
	}),
	status: 200,
	response: null,
} as const satisfies Endpoint;

const parse = (id: string, query: string, body: unknown) =>
	parseInput(endpoint, {
		params: { id },
		query: new URLSearchParams(query),
		body,
	});

function refuse(id: string, query: string, body: unknown) {
	try {
		parse(id, query, body);
	} catch (error) {
		assert.ok(error instanceof Failure);
		assert.equal(error.code, "invalid_request");
		return error;
	}
	return assert.fail("it was not refused");
}

test("what was sent becomes what is declared, with its defaults", () => {
	assert.deepEqual(parse("x", "", { name: "a" }), {
		params: { id: "x" },
		query: { count: 7, tag: [] },
		body: { name: "a" },
	});
	assert.deepEqual(
		parse("x", "count=3&isDeep=true&tag=a&tag=b", { name: "a" }).query,
		{ count: 3, isDeep: true, tag: ["a", "b"] },
	);
	assert.deepEqual(parse("x", "tag=only", { name: "a" }).query.tag, ["only"]);
});

test("all wrong places of path, query and body are named at once", () => {
	const failure = refuse("long", "count=0&color=red&isDeep=maybe", {
		name: 5,
		more: 1,
		inner: { list: [{ at: "2026-01-01T00:00:00Z" }, { at: "today" }] },
	});
	assert.deepEqual(failure.errors.map(({ pointer }) => pointer).sort(), [
		"/inner/list/1/at",
		"/more",
		"/name",
		"/path/id",
		"/query/color",
		"/query/count",
		"/query/isDeep",
	]);
	assert.match(failure.message, /7 places/);
});

for (const [what, body, message] of [
	["a missing field", {}, "is required"],
	["another type", { name: 5 }, "must be a text"],
	["null", { name: null }, "must be a text"],
	["a list", { name: ["a"] }, "must be a text, not a list"],
	["too long a text", { name: "abcd" }, "must be at most 3 characters long"],
] as const) {
	test(`${what} is refused in words`, () => {
		const failure = refuse("x", "", body);
		assert.deepEqual(failure.errors, [{ pointer: "/name", message }]);
		assert.equal(failure.message, `/name ${message}.`);
	});
}

test("what is wrong with the body as a whole points at its root", () => {
	for (const body of [null, [], "text", 5, undefined]) {
		const [error] = refuse("x", "", body).errors;
		assert.equal(error?.pointer, "");
	}
});

test("refusing repeats nothing of what was sent", () => {
	const failure = refuse("x", "count=s3cret", { name: "s3cret" });
	assert.ok(!JSON.stringify({ ...failure }).includes("s3cret"));
});

test("where no query is declared, none may be sent", () => {
	const { query: _, ...bare } = endpoint;
	const raw = { params: { id: "x" }, body: { name: "a" } };
	assert.throws(
		() => parseInput(bare, { ...raw, query: new URLSearchParams("force=1") }),
		(error) =>
			error instanceof Failure && error.errors[0]?.pointer === "/query/force",
	);
});
