// What a plan means for a person: the risk and its reasons, the processes, the price.
import assert from "node:assert/strict";
import { test } from "node:test";
import { noChanges } from "../../src/domain/operation.ts";
import {
	type PlannedResource,
	type PlanStep,
	shapeOf,
} from "../../src/domain/plan.ts";
import { describePlan } from "../../src/domain/preview-result.ts";

const workload = (
	kind: string,
	name: string,
	step: PlanStep,
	part: {
		readonly from?: number;
		readonly to?: number;
		readonly strategy?: string;
		readonly path?: string;
	} = {},
): PlannedResource => {
	const declare = (replicas: number) =>
		shapeOf(kind, {
			spec: {
				replicas,
				strategy: { type: part.strategy ?? "RollingUpdate" },
				template: {
					spec: {
						containers: [
							{
								name,
								image: "a:1",
								resources: { requests: { cpu: "250m", memory: "512Mi" } },
							},
						],
					},
				},
			},
		});
	return {
		kind,
		name,
		step,
		changes: [
			{
				path: part.path ?? "spec.template.spec.containers[x].image",
				before: "a:1",
				after: "a:2",
			},
		],
		before: step === "create" ? null : declare(part.from ?? 2),
		after: step === "delete" ? null : declare(part.to ?? part.from ?? 2),
	};
};
const describe = (...plan: PlannedResource[]) =>
	describePlan(plan, { changes: noChanges, facts: {}, prices: null });

const deployment = "apps/v1/Deployment";
const set = "apps/v1/StatefulSet";
const object = (kind: string, step: PlanStep): PlannedResource => ({
	kind,
	name: "x",
	step,
	changes: [],
	before: {},
	after: {},
});

for (const [what, resource, risk] of [
	["a rolling update", workload(deployment, "server", "update"), "none"],
	[
		"a Deployment that is ended before it starts again",
		workload(deployment, "scheduler", "update", { strategy: "Recreate" }),
		"downtime",
	],
	[
		"a recreated Deployment whose pods stay",
		workload(deployment, "scheduler", "update", {
			strategy: "Recreate",
			path: "metadata.labels",
		}),
		"none",
	],
	[
		"a workload that goes to zero",
		workload(deployment, "server", "update", { to: 0, path: "spec.replicas" }),
		"downtime",
	],
	[
		"a workload that comes back from zero",
		workload(deployment, "server", "update", { from: 0, to: 2 }),
		"none",
	],
	[
		"a StatefulSet of one",
		workload(set, "mongodb", "update", { from: 1 }),
		"downtime",
	],
	[
		"a StatefulSet of three",
		workload(set, "mongodb", "update", { from: 3 }),
		"none",
	],
	["a replaced StatefulSet", workload(set, "mongodb", "replace"), "data"],
	[
		"a replaced Deployment",
		workload(deployment, "server", "replace"),
		"downtime",
	],
	["a deleted claim", object("v1/PersistentVolumeClaim", "delete"), "data"],
	["a deleted namespace", object("v1/Namespace", "delete"), "data"],
	["a replaced Job", object("batch/v1/Job", "replace"), "none"],
	["something new", workload(deployment, "server", "create"), "none"],
] as const) {
	test(`the risk of ${what} is ${risk}`, () => {
		const result = describe(resource);
		assert.equal(result.risk, risk);
		assert.equal(result.reasons.length, risk === "none" ? 0 : 1);
	});
}

test("the worst of all counts, and data that a verb loses are named first", () => {
	const result = describePlan(
		[workload(deployment, "server", "replace"), object("v1/Secret", "same")],
		{
			changes: noChanges,
			facts: { dataLoss: { since: "2026-01-02T03:04:05Z", reason: "So." } },
			prices: null,
		},
	);
	assert.equal(result.risk, "data");
	assert.match(result.reasons[0]?.message ?? "", /since 2026-01-02/);
	assert.deepEqual(result.dataLoss?.since, "2026-01-02T03:04:05Z");
	assert.deepEqual(
		result.resources.map(({ kind }) => kind),
		[deployment],
	);
	assert.deepEqual(result.replacements, [
		{ kind: deployment, name: "server", risk: "downtime" },
	]);
});

test("a process says which image, how many and which settings change", () => {
	const [process] = describe({
		...workload(deployment, "server", "update", { from: 1, to: 2 }),
		changes: [
			{
				path: "spec.template.spec.containers[server].env[THEME].value",
				before: "a",
				after: "b",
			},
		],
	}).processes;
	assert.deepEqual(process?.replicas, { from: 1, to: 2 });
	assert.equal(process?.image, null);
	assert.deepEqual(process?.settings, [
		{ name: "THEME", before: "a", after: "b" },
	]);
});

test("the price is that of what is requested, for a month", () => {
	const { price } = describePlan(
		[
			workload(deployment, "server", "update", { from: 1, to: 3 }),
			{
				...object("v1/PersistentVolumeClaim", "same"),
				before: shapeOf("v1/PersistentVolumeClaim", {
					spec: { resources: { requests: { storage: "4Gi" } } },
				}),
				after: shapeOf("v1/PersistentVolumeClaim", {
					spec: { resources: { requests: { storage: "4Gi" } } },
				}),
			},
		],
		{
			changes: noChanges,
			facts: {},
			prices: {
				currency: "EUR",
				cpuHour: 0.04,
				memoryGiBHour: 0.01,
				storageGiBMonth: 0.1,
			},
		},
	);
	// 730 h × (0.25 × 0.04 + 0.5 × 0.01) = 10.95 for each replica, and 0.40 for the claim.
	assert.deepEqual(price, {
		currency: "EUR",
		before: 11.35,
		after: 33.25,
		difference: 21.9,
	});
});
