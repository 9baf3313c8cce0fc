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
			if (metadata === undefined) return;
			// Of what a destroy deletes its program has said "same" just before.
			const step = found.get(metadata.urn)?.step ?? "same";
			if (step !== "same") return;
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
		...cutAlike(hideValue(before, redact), hideValue(after, redact)),
	};
}

function hideValue(value: unknown, redact: (text: string) => string): unknown {
	const text =
		typeof value === "object" && value !== null ? JSON.stringify(value) : value;
	return typeof text === "string"
		? redact(text).replaceAll(unknownValue, "[known afterwards]")
		: text;
}

/** Of long texts, such as scripts, what is near the first difference. */
function cutAlike(
	before: unknown,
	after: unknown,
): Pick<PlannedChange, "before" | "after"> {
	const [was, is] = [textOf(before), textOf(after)];
	const isLong = Math.max(was.length, is.length) > longestText;
	const same = countAlike(was, is);
	const start = isLong && was !== "" && is !== "" ? Math.max(0, same - 40) : 0;
	return { before: cut(before, start), after: cut(after, start) };
}

const textOf = (value: unknown): string =>
	typeof value === "string" ? value : "";

function countAlike(one: string, other: string): number {
	let count = 0;
	while (count < one.length && one[count] === other[count]) count++;
	return count;
}

function cut(value: unknown, start: number): unknown {
	if (typeof value !== "string") return value;
	const end = start + longestText;
	return `${start > 0 ? "…" : ""}${value.slice(start, end)}${value.length > end ? "…" : ""}`;
}
