import assert from "node:assert/strict";
import { test } from "node:test";
import { lifecycleWithout } from "../../src/domain/environment.ts";
import {
	activeStates,
	cancelAnswers,
	cancelDeadlinesMs,
	finalStates,
	isFinal,
	mayBeRetried,
	operationStates,
} from "../../src/domain/operation.ts";

/** Those in which nothing was begun. */
const waiting: readonly string[] = ["queued", "awaiting_approval"];

test("a state is one of waiting, active or final, and never two of them", () => {
	assert.deepEqual(
		[...waiting, ...activeStates, ...finalStates].sort(),
		[...operationStates].sort(),
	);
});

test("only what has not ended can be cancelled, and asking again is no error", () => {
	for (const state of operationStates) {
		const answer = cancelAnswers[state];
		assert.equal(
			answer === "late",
			isFinal(state) && state !== "cancelled",
			state,
		);
		assert.equal(answer === "ends", waiting.includes(state), state);
	}
});

test("what succeeded, was superseded or has not ended is not tried again", () => {
	assert.deepEqual(operationStates.filter(mayBeRetried).sort(), [
		"cancelled",
		"failed",
		"stalled",
		"timed_out",
	]);
});

test("an engine that is ended by force leaves time to find out what exists", () => {
	const { look, engine, stock, whole } = cancelDeadlinesMs;
	assert.ok(look + engine + stock < whole / 2);
});

for (const [lastBegun, lifecycle] of [
	[undefined, "failed"],
	[{ kind: "create", state: "running" }, "creating"],
	[{ kind: "create", state: "recovering" }, "creating"],
	[{ kind: "create", state: "cancelling" }, "creating"],
	[{ kind: "create", state: "succeeded" }, "ready"],
	[{ kind: "create", state: "failed" }, "failed"],
	[{ kind: "create", state: "cancelled" }, "failed"],
	[{ kind: "destroy", state: "stalled" }, "failed"],
	[{ kind: "destroy", state: "running" }, "destroying"],
] as const) {
	test(`an order taken back after ${lastBegun ? `a ${lastBegun.kind} that is ${lastBegun.state}` : "nothing"} leaves the environment ${lifecycle}`, () => {
		assert.equal(lifecycleWithout(lastBegun), lifecycle);
	});
}
