import assert from "node:assert/strict";
import { test } from "node:test";
import { findDifferences } from "../../src/domain/difference.ts";

test("what differs is named by its place, and a thing in a list by its name", () => {
	const pod = (image: string, ...env: object[]) => ({
		spec: { containers: [{ name: "server", image, env }] },
	});
	assert.deepEqual(
		findDifferences(
			pod("a:1", { name: "ONE", value: "1" }, { name: "TWO", value: "2" }),
			pod("a:2", { name: "TWO", value: "2" }, { name: "ONE", value: "one" }),
		),
		[
			{
				path: "spec.containers[server].image",
				before: "a:1",
				after: "a:2",
			},
			{
				path: "spec.containers[server].env[ONE].value",
				before: "1",
				after: "one",
			},
		],
	);
});

test("what is only on one side has nothing on the other", () => {
	assert.deepEqual(
		findDifferences({ a: 1, list: [1, 2] }, { "b/c": { d: 2 }, list: [1] }),
		[
			{ path: '["b/c"]', before: null, after: { d: 2 } },
			{ path: "list[1]", before: 2, after: null },
			{ path: "a", before: 1, after: null },
		],
	);
});

test("equal things do not differ", () => {
	assert.deepEqual(
		findDifferences({ a: [{ b: null }] }, { a: [{ b: null }] }),
		[],
	);
});
