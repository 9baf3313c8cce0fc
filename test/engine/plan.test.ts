// The engine's events of a preview as a plan: what is told, and what is hidden.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { EngineEvent } from "@pulumi/pulumi/automation/index.js";
import { countSteps, makePlanner } from "../../src/engine/plan.ts";

type Metadata = NonNullable<EngineEvent["resourcePreEvent"]>["metadata"];

const event = (
	op: string,
	type: string,
	part: { before?: object; after?: object; detailedDiff?: object } = {},
): EngineEvent => {
	const state = (inputs: object | undefined) =>
		inputs && { type, inputs: { metadata: { name: "x" }, ...inputs } };
	const metadata = {
		op,
		type,
		urn: `urn:pulumi:s::p::${type}::x`,
		old: state(part.before),
		new: state(part.after),
		detailedDiff: part.detailedDiff,
	};
	return {
		sequence: 0,
		timestamp: 0,
		resourcePreEvent: { metadata: metadata as unknown as Metadata },
	};
};
const planOf = (...events: EngineEvent[]) => {
	const planner = makePlanner((text) => text.replaceAll("hunter2", "[secret]"));
	for (const one of events) planner.take(one);
	return planner.plan();
};

test("each resource is told once, by its step, without the engine's bookkeeping", () => {
	const plan = planOf(
		event("same", "pulumi:pulumi:Stack"),
		event("same", "pulumi:providers:kubernetes"),
		event("create-replacement", "kubernetes:core/v1:Service"),
		event("replace", "kubernetes:core/v1:Service"),
		event("delete-replaced", "kubernetes:core/v1:Service"),
		event("create", "kubernetes:batch/v1:Job"),
		event("create", "kubernetes:batch/v1:Job"),
		event("same", "kubernetes:apps/v1:Deployment"),
	);
	assert.deepEqual(
		plan.map(({ kind, step }) => [kind, step]),
		[
			["v1/Service", "replace"],
			["batch/v1/Job", "create"],
			["apps/v1/Deployment", "same"],
		],
	);
	assert.deepEqual(countSteps(plan), {
		create: 1,
		update: 0,
		replace: 1,
		delete: 0,
		same: 1,
	});
});

test("what a destroy deletes counts as deleted, though its program said that it stays", () => {
	const [planned] = planOf(
		event("same", "kubernetes:core/v1:Namespace"),
		event("delete", "kubernetes:core/v1:Namespace"),
	);
	assert.equal(planned?.step, "delete");
});

test("a Secret's values are never told, nor what the provider alone sees to differ", () => {
	const [secret] = planOf(
		event("update", "kubernetes:core/v1:Secret", {
			before: { data: { a: "b25l", same: "x" } },
			after: { data: { a: "dHdv", same: "x" } },
		}),
	);
	assert.deepEqual(secret?.changes, [
		{ path: "data.a", before: "[secret]", after: "[secret]" },
	]);
	const [hidden] = planOf(
		event("update", "kubernetes:core/v1:Secret", {
			before: { data: "[secret]" },
			after: { data: "[secret]" },
			detailedDiff: { "data.password": {}, "status.x": {}, __inputs: {} },
		}),
	);
	assert.deepEqual(hidden?.changes, [
		{ path: "data.password", before: "[secret]", after: "[secret]" },
	]);
});

test("a secret in a plain place is hidden, also within a structure", () => {
	const [planned] = planOf(
		event("update", "kubernetes:core/v1:ConfigMap", {
			before: { data: { url: "amqp://me:hunter2@x" } },
			after: { data: { url: "amqp://me@x", more: { deep: "hunter2" } } },
		}),
	);
	assert.ok(!JSON.stringify(planned).includes("hunter2"));
	assert.deepEqual(planned?.changes[0], {
		path: "data.url",
		before: "amqp://me:[secret]@x",
		after: "amqp://me@x",
	});
});

test("of long texts the first difference is shown", () => {
	const script = (end: string) => `${"x".repeat(1_000)}${end}`;
	const [planned] = planOf(
		event("update", "kubernetes:core/v1:ConfigMap", {
			before: { data: { script: script("one") } },
			after: { data: { script: script("two") } },
		}),
	);
	const [change] = planned?.changes ?? [];
	assert.match(String(change?.before), /^…x+one$/);
	assert.match(String(change?.after), /^…x+two$/);
});
