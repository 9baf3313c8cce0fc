// What a later revision may not change.
import assert from "node:assert/strict";
import { test } from "node:test";
import { findForbiddenChanges } from "../../src/domain/change.ts";
import { parameters } from "../../src/domain/parameters.ts";
import type { Size } from "../../src/domain/spec.ts";

const wish = (size: Size, set: unknown = {}) => ({
	size,
	parameters: parameters.parse(set),
});
const mongodb = "mongodb://db.example.test";

const cases: readonly (readonly [
	what: string,
	before: ReturnType<typeof wish>,
	after: ReturnType<typeof wish>,
	pointers: readonly string[],
])[] = [
	["the same again", wish("ha"), wish("ha"), []],
	["a larger size", wish("small"), wish("ha"), []],
	[
		"larger claims",
		wish("small"),
		wish("small", { storage: { mongodb: "5Gi", backups: "9Gi" } }),
		[],
	],
	[
		"a claim that is smaller than the size's was",
		wish("small"),
		wish("small", { storage: { mongodb: "3Gi" } }),
		["/parameters/storage/mongodb"],
	],
	[
		"claims that would fall back to the size's",
		wish("small", { storage: { rabbitmq: "9Gi", backups: "100Gi" } }),
		wish("small"),
		["/parameters/storage/rabbitmq", "/parameters/storage/backups"],
	],
	[
		"a smaller size, though its claims are kept",
		wish("ha"),
		wish("small", {
			storage: { mongodb: "20Gi", rabbitmq: "4Gi", backups: "40Gi" },
		}),
		["/size"],
	],
	[
		"another database",
		wish("ha"),
		wish("ha", { external: { mongodb } }),
		["/parameters/external/mongodb"],
	],
	[
		"the own database after an external one",
		wish("ha", { external: { mongodb } }),
		wish("ha"),
		["/parameters/external/mongodb"],
	],
	[
		"another way to the external database",
		wish("ha", { external: { mongodb } }),
		wish("ha", { external: { mongodb: "mongodb://other.example.test" } }),
		[],
	],
	[
		"another broker, which keeps nothing",
		wish("ha"),
		wish("ha", { external: { rabbitmq: "amqp://mq.example.test" } }),
		[],
	],
];

for (const [what, before, after, pointers] of cases) {
	test(`${what} ${pointers.length === 0 ? "may follow" : "is refused"}`, () => {
		assert.deepEqual(
			findForbiddenChanges(before, after).map(({ pointer }) => pointer),
			pointers,
		);
	});
}
