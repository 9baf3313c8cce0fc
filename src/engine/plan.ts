// The engine's events of a preview as a plan. No effect besides. The engine hides what it knows to be secret; the rest is
// hidden here, because a plan is kept and shown.
import type { EngineEvent } from "@pulumi/pulumi/automation/index.js";
import { findDifferences, secretMark } from "../domain/difference.ts";
import { type Changes, noChanges } from "../domain/operation.ts";
import {
	type PlannedChange,
	type PlannedResource,
	type PlanStep,
	shapeOf,
} from "../domain/plan.ts";
import { isBookkeeping, presentKind } from "../domain/stock.ts";
import { objectName } from "./events.ts";

type StepMetadata = NonNullable<EngineEvent["resourcePreEvent"]>["metadata"];

// The steps around a replacement say nothing more.
const steps: Readonly<Record<string, PlanStep>> = {
	create: "create",
	update: "update",
	replace: "replace",
	delete: "delete",
	same: "same",
};

/** How the engine writes a value that only an update can tell. */
const unknownValue = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";
const longestText = 200;
const mostChanges = 200;

export interface Planner {
	readonly take: (event: EngineEvent) => void;
	readonly plan: () => PlannedResource[];
}

export function makePlanner(redact: (text: string) => string): Planner {
	// By URN: a step is told of before and after it.
	const found = new Map<string, PlannedResource>();
	return {
		take({ resourcePreEvent, resOutputsEvent }) {
			const metadata = resourcePreEvent?.metadata ?? resOutputsEvent?.metadata;
			if (metadata === undefined || found.has(metadata.urn)) return;
			const planned = planResource(metadata, redact);
			if (planned !== undefined) found.set(metadata.urn, planned);
		},
		plan: () => [...found.values()],
	};
}

/** How much of a plan there is of each step. */
export function countSteps(plan: readonly PlannedResource[]): Changes {
	const counts = { ...noChanges };
	for (const { step } of plan) counts[step]++;
	return counts;
}

function planResource(
	metadata: StepMetadata,
	redact: (text: string) => string,
): PlannedResource | undefined {
	const step = steps[metadata.op];
	if (step === undefined || isBookkeeping(metadata.type)) return undefined;
	const kind = presentKind(metadata.type);
	const before = step === "create" ? undefined : metadata.old?.inputs;
	const after = step === "delete" ? undefined : metadata.new?.inputs;
	return {
		kind,
		name: objectName(metadata),
		step,
		changes:
			step === "update" || step === "replace"
				? listChanges(metadata, kind).map((change) => hide(change, redact))
				: [],
		before: before === undefined ? null : shapeOf(kind, before),
		after: after === undefined ? null : shapeOf(kind, after),
	};
}

/** What differs in what was declared, and what the provider says differs although both look alike: a secret. */
function listChanges(metadata: StepMetadata, kind: string): PlannedChange[] {
	const differences = findDifferences(
		metadata.old?.inputs,
		metadata.new?.inputs,
	)
		// The provider's own notes of how it works.
		.filter(({ path }) => !path.startsWith("__"));
	const shown =
		kind === "v1/Secret"
			? differences.map(({ path }) => hiddenChange(path))
			: differences;
	const hidden = Object.keys(metadata.detailedDiff ?? {})
		.filter(
			(path) =>
				isDeclared(path) &&
				!shown.some((one) => covers(one.path, path) || covers(path, one.path)),
		)
		.map(hiddenChange);
	return [...shown, ...hidden].slice(0, mostChanges);
}

const hiddenChange = (path: string): PlannedChange => ({
	path,
	before: secretMark,
	after: secretMark,
});

const isDeclared = (path: string): boolean => !/^(__|status\b)/.test(path);

/** Whether one of two places, however their lists are written, lies within the other. */
function covers(outer: string, inner: string): boolean {
	const plain = (path: string) => path.replaceAll(/\[[^\]]*\]/g, "[]");
	return plain(inner).startsWith(plain(outer));
}

function hide(
	{ path, before, after }: PlannedChange,
	redact: (text: string) => string,
): PlannedChange {
	return {
		path: redact(path),
		before: hideValue(before, redact),
		after: hideValue(after, redact),
	};
}

function hideValue(value: unknown, redact: (text: string) => string): unknown {
	if (typeof value === "object" && value !== null) {
		return hideText(JSON.stringify(value), redact);
	}
	return typeof value === "string" ? hideText(value, redact) : value;
}

function hideText(text: string, redact: (text: string) => string): string {
	const shown = redact(text).replaceAll(unknownValue, "[known afterwards]");
	return shown.length > longestText ? `${shown.slice(0, longestText)}…` : shown;
}
