// What may be asked of an environment, and what is meant when it is not said.
import { z } from "zod";
import { driftAnswers } from "./drift.ts";
import { duration, onExpiries } from "./expiry.ts";
import { dnsLabel, environmentNameLength } from "./names.ts";
import { parameters } from "./parameters.ts";
import { parametersChange } from "./parameters-change.ts";
import { defaultRelease, releaseName } from "./release.ts";
import { schedule } from "./schedule.ts";
import { secretNames } from "./secret.ts";

/** `small`: one of each process, for QA, minutes to live. `ha`: the promise. */
export const sizes = ["small", "ha"] as const;
export type Size = (typeof sizes)[number];

/** `hibernated`: the same environment, with all workloads at zero; claims, secrets and buckets stay. */
export const powers = ["on", "hibernated"] as const;
export type Power = (typeof powers)[number];

/** `rollback`: what failed is taken back by the service itself. `keep`: it stays as it is, to be looked at. */
export const onFailures = ["rollback", "keep"] as const;

/** What a rollback does with the data: they stay, or those from before the upgrade come back. */
export const dataChoices = ["keep", "restore"] as const;

/** Whether what changes data goes on without a backup from just before. */
export const backupChoices = ["required", "skip"] as const;

export const blueprintNames = ["maestro"] as const;
export type BlueprintName = (typeof blueprintNames)[number];

// As Kubernetes' own label values, without prefixes: they become labels of the namespace.
const labelKey = z
	.string()
	.regex(
		/^[a-z0-9A-Z]([-_.a-z0-9A-Z]{0,61}[a-z0-9A-Z])?$/,
		"must be a label name of at most 63 characters",
	);
const labelValue = z
	.string()
	.regex(
		/^([a-z0-9A-Z]([-_.a-z0-9A-Z]{0,61}[a-z0-9A-Z])?)?$/,
		"must be a label value of at most 63 characters",
	);

export const labels = z
	.record(labelKey, labelValue)
	.refine((all) => Object.keys(all).length <= 16, "must have at most 16 labels")
	.meta({ maxProperties: 16 });

/** How long an environment lives from its order on. */
const lifetime = duration
	.nullable()
	.optional()
	.describe(
		"How long it lives from the order on: a whole number with its unit, such as 30m, 2h or 3d. null: for ever, where the tenant may. Without it, the tenant's default.",
	);

/** The order of an environment. Only `name` is required. */
export const environmentSpec = z.strictObject({
	name: dnsLabel(environmentNameLength),
	blueprint: z.enum(blueprintNames).default("maestro"),
	size: z.enum(sizes).default("small"),
	release: releaseName.default(defaultRelease),
	/** The target's name; without one, the default target. */
	target: dnsLabel(63).optional(),
	labels: labels.default({}),
	description: z.string().max(500).default(""),
	parameters: parameters.prefault({}),
	ttl: lifetime,
	onExpiry: z
		.enum(onExpiries)
		.default("destroy")
		.describe("What happens to it then."),
	failureTtl: duration
		.nullable()
		.optional()
		.describe(
			"How long it is left alone after its create did not succeed, before it is destroyed. null: for ever. Without it, the tenant's default.",
		),
	/** When it sleeps by itself; without one, never. */
	schedule: schedule.optional(),
	/** Whether what differs from what was applied is put right when it is found, or told only. */
	onDrift: z.enum(driftAnswers).default("report"),
});

export type EnvironmentSpec = z.infer<typeof environmentSpec>;

/** How long an environment lives from now on. */
export const extension = z.strictObject({
	ttl: duration
		.nullable()
		.describe(
			"Counted from now: a whole number with its unit, such as 30m, 2h or 3d. null: for ever, where the tenant may.",
		),
});

/** The same as a JSON Schema has it. */
export const changeNeedsOne = {
	anyOf: ["release", "size", "parameters"].map((name) => ({
		required: [name],
	})),
};

/** What an upgrade changes, and what its failure leads to. What is not given stays as it was last asked for. */
export const environmentChange = z
	.strictObject({
		release: releaseName.optional(),
		size: z.enum(sizes).optional(),
		parameters: parametersChange.optional(),
		onFailure: z.enum(onFailures).default("rollback"),
		backup: z.enum(backupChoices).default("required"),
	})
	.refine(
		({ release, size, parameters }) =>
			[release, size, parameters].some((value) => value !== undefined),
		"must have `release`, `size` or `parameters`",
	)
	.meta(changeNeedsOne);

/** How an environment is destroyed. */
export const destroyOrder = z.strictObject({
	keepBackups: z
		.boolean()
		.default(false)
		.describe(
			"Leaves the bucket with the backups, where the target has AWS. Backups in the namespace go with it.",
		),
});

/** Names the preview that an order is to be as. */
export const previewReference = z
	.string()
	.regex(/^pre_[0-9a-z]{20}$/, "is no preview's id")
	.describe(
		"Carries the order out only if nothing that this preview was worked out from has moved since.",
	);

export type EnvironmentChange = Pick<
	z.infer<typeof environmentChange>,
	"release" | "size" | "parameters"
>;

/** To which revision a rollback goes back, and with which data. */
export const rollbackOrder = z.strictObject({
	/** The last before the current one that was applied to its end. */
	to: z.int().min(1).optional(),
	data: z.enum(dataChoices).default("keep"),
	backup: z.enum(backupChoices).default("required"),
});

export type RollbackOrder = z.infer<typeof rollbackOrder>;
const backupId = z
	.string()
	.regex(/^bak_[0-9a-z]{20}$/, "must be the id of a backup: bak_…");

/** Which backup is put in place of the data, and what happens to those first. */
export const restoreOrder = z.strictObject({
	backup: backupId,
	backupFirst: z.enum(backupChoices).default("required"),
	allowOtherVersion: z
		.boolean()
		.default(false)
		.describe("Takes one of another minor version of Maestro or MongoDB, too."),
});

export type RestoreOrder = z.infer<typeof restoreOrder>;

const noRepeats = (names: readonly string[]): boolean =>
	new Set(names).size === names.length;

/** Which secrets get new values, and whether whoever orders that knows what it destroys. */
export const rotateOrder = z.strictObject({
	which: z
		.array(z.enum(secretNames))
		.min(1)
		.refine(noRepeats, "must name each secret once")
		.meta({ uniqueItems: true })
		.describe("Names of secrets, as the processes know them."),
	acknowledge: z
		.boolean()
		.default(false)
		.describe("Must be true where data become unreadable by it."),
});

export type RotateOrder = z.infer<typeof rotateOrder>;

/** The order of a copy: its name, and which data it begins with. */
export const cloneOrder = z.strictObject({
	name: dnsLabel(environmentNameLength),
	data: z
		.union(
			[z.enum(["none", "latest"]), backupId],
			'must be "none", "latest" or the id of a backup: bak_…',
		)
		.default("none")
		.describe(
			"`latest` is the newest backup that an operation made and that is there.",
		),
	ttl: lifetime,
});

export type CloneOrder = z.infer<typeof cloneOrder>;
