// What may be asked of an environment, and what is meant when it is not said.
import { z } from "zod";
import { dnsLabel, environmentNameLength } from "./names.ts";
import { parameters } from "./parameters.ts";
import { parametersChange } from "./parameters-change.ts";
import { defaultRelease, releaseName } from "./release.ts";

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
	.refine(
		(all) => Object.keys(all).length <= 16,
		"must have at most 16 labels",
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
});

export type EnvironmentSpec = z.infer<typeof environmentSpec>;

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
	);

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

/** Which backup is put in place of the data, and what happens to those first. */
export const restoreOrder = z.strictObject({
	backup: z
		.string()
		.regex(/^bak_[0-9a-z]{20}$/, "must be the id of a backup: bak_…"),
	backupFirst: z.enum(backupChoices).default("required"),
	allowOtherVersion: z
		.boolean()
		.default(false)
		.describe("Takes one of another minor version of Maestro or MongoDB, too."),
});

export type RestoreOrder = z.infer<typeof restoreOrder>;
