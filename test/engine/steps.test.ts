import assert from "node:assert/strict";
import { test } from "node:test";
import type { EngineStep } from "../../src/domain/engine.ts";
import { makeStepWatch } from "../../src/engine/steps.ts";
import { readRecorded, translateRecorded } from "./recorded.ts";

/** The steps of a recorded run, of which one event comes each 10 ms. */
function watchRecorded(name: string): EngineStep[] {
	const steps: EngineStep[] = [];
	let now = 0;
	const watch = makeStepWatch(
		(step) => steps.push(step),
		() => now,
	);
	for (const event of readRecorded(name)) {
		now += 10;
		watch(event);
	}
	return steps;
}

for (const name of ["objects-created", "objects-updated", "objects-deleted"]) {
	test(`each event of ${name} about a resource is a step, from its begin to its end`, () => {
		const told = translateRecorded(name).events.flatMap((event) =>
			"kind" in event.data && "name" in event.data
				? [`${event.data.kind} ${event.data.name}`]
				: [],
		);
		const steps = watchRecorded(name);
		assert.deepEqual(
			steps.map((step) => `${step.kind} ${step.name}`),
			told,
		);
		assert.ok(steps.length > 0);
		for (const { startedAt, endedAt, state } of steps) {
			assert.ok(endedAt > startedAt);
			assert.equal(state, "succeeded");
		}
	});
}

test("what stays as it is makes no step", () => {
	assert.deepEqual(watchRecorded("objects-same"), []);
});

test("a resource that failed is a step that failed", () => {
	const failed = watchRecorded("forbidden").filter(
		({ state }) => state === "failed",
	);
	assert.ok(failed.length > 0);
	assert.ok(failed.every(({ endedAt, startedAt }) => endedAt >= startedAt));
});
