// What a tenant may have at most, and which limit an order would pass.
import { z } from "zod";
import type { EnvironmentId } from "./ids.ts";
import { dnsLabel } from "./names.ts";
import type { OperationKind } from "./operation.ts";
import { blueprintNames, type Size, sizes } from "./spec.ts";

const limit = (largest: number) =>
	z.int().min(0).max(largest).nullable().default(null);

/** Of each kind null is no limit. */
export const quota = z.object({
	environments: limit(1_000_000).describe(
		"How many environments there may be, whatever state they are in; null: no limit.",
	),
	activeEnvironments: limit(1_000_000).describe(
		"How many of them may be awake; null: no limit.",
	),
	cpuMillis: limit(1_000_000_000).describe(
		"How many thousandths of a CPU those that are awake may ask their clusters for together; null: no limit.",
	),
	memoryMiB: limit(1_000_000_000).describe(
		"How many MiB of memory those that are awake may ask their clusters for together; null: no limit.",
	),
	operationsPerHour: limit(1_000_000).describe(
		"How many operations there may be in any hour; null: no limit. To destroy and to hibernate is always let through, and counts.",
	),
	sizes: z
		.array(z.enum(sizes))
		.min(1)
		.nullable()
		.default(null)
		.describe("The sizes that may be ordered; null: all."),
	targets: z
		.array(dnsLabel(63))
		.min(1)
		.max(100)
		.nullable()
		.default(null)
		.describe("The targets that may be ordered; null: all."),
	blueprints: z
		.array(z.enum(blueprintNames))
		.min(1)
		.nullable()
		.default(null)
		.describe("The blueprints that may be ordered; null: all."),
});
export type Quota = z.infer<typeof quota>;

const { shape } = quota;

/** What is not given stays; null takes a limit away. */
export const quotaChange = z
	.strictObject({
		environments: shape.environments.unwrap().optional(),
		activeEnvironments: shape.activeEnvironments.unwrap().optional(),
		cpuMillis: shape.cpuMillis.unwrap().optional(),
		memoryMiB: shape.memoryMiB.unwrap().optional(),
		operationsPerHour: shape.operationsPerHour.unwrap().optional(),
		sizes: shape.sizes.unwrap().optional(),
		targets: shape.targets.unwrap().optional(),
		blueprints: shape.blueprints.unwrap().optional(),
	})
	.refine((change) => Object.keys(change).length > 0, "must have a limit");
export type QuotaChange = z.infer<typeof quotaChange>;

export const hasLimits = (limits: Quota): boolean =>
	Object.values(limits).some((one) => one !== null);

/** What is counted of environments. */
export const measures = [
	"environments",
	"activeEnvironments",
	"cpuMillis",
	"memoryMiB",
] as const;
export type Measure = (typeof measures)[number];
export type Usage = Readonly<Record<Measure, number>>;

/** What one environment takes of its tenant's quota. */
export interface Share {
	readonly id: EnvironmentId;
	readonly name: string;
	readonly isActive: boolean;
	/** 0 while it sleeps, as its memory. */
	readonly cpuMillis: number;
	readonly memoryMiB: number;
}

/** What a quota may allow or not of an environment as it is wished for. */
export interface Choice {
	readonly size: Size;
	readonly target: string;
	readonly blueprint: string;
}

/**
 * The first limit that an order passes, by what it makes more of and what is used with it. One that makes no more of it
 * passes none: a limit that was lowered since takes nothing away, and stands in the way of nothing but growth.
 */
export function findExceeded(
	limits: Quota,
	grown: Usage,
	usage: Usage,
): { readonly measure: Measure; readonly limit: number } | undefined {
	for (const measure of measures) {
		const most = limits[measure];
		if (most === null) continue;
		if (usage[measure] > most && grown[measure] > 0)
			return { measure, limit: most };
	}
	return undefined;
}

const lists = {
	size: "sizes",
	target: "targets",
	blueprint: "blueprints",
} as const;

/** The first of an environment's choices that is newly made and not among those allowed. */
export function findForbidden(
	limits: Quota,
	before: Choice | undefined,
	after: Choice,
):
	| {
			readonly what: keyof Choice;
			readonly value: string;
			readonly allowed: readonly string[];
	  }
	| undefined {
	for (const what of ["size", "target", "blueprint"] as const) {
		const allowed: readonly string[] | null = limits[lists[what]];
		const value = after[what];
		if (allowed === null || before?.[what] === value) continue;
		if (!allowed.includes(value)) return { what, value, allowed };
	}
	return undefined;
}

/** What gives something back is never refused for its number. */
export const isFree = (kind: OperationKind): boolean =>
	kind === "destroy" || kind === "hibernate";
