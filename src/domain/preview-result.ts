// From a plan to what a person decides by: which processes change, what is away meanwhile, what may be lost, what it costs.
import type { Changes } from "./operation.ts";
import {
	addUse,
	noUse,
	type PlannedResource,
	type PlanStep,
	type Use,
} from "./plan.ts";
import type {
	DataLoss,
	FromTo,
	PreviewedProcess,
	PreviewFacts,
	PreviewResult,
	PriceDifference,
	Replacement,
	Risk,
	RiskReason,
} from "./preview.ts";
import { risks } from "./preview.ts";
import { type ProcessName, processNames } from "./release.ts";
import type { Prices } from "./target.ts";

interface Moving extends PlannedResource {
	readonly step: Exclude<PlanStep, "same">;
}

const isMoving = (resource: PlannedResource): resource is Moving =>
	resource.step !== "same";

export function describePlan(
	plan: readonly PlannedResource[],
	about: {
		readonly changes: Changes;
		readonly facts: PreviewFacts;
		readonly prices: Prices | null;
	},
): PreviewResult {
	const moving = plan.filter(isMoving);
	const { dataLoss } = about.facts;
	const reasons = [
		...(dataLoss === undefined ? [] : [explainLoss(dataLoss)]),
		...moving.flatMap((resource) => findRisk(resource) ?? []),
	];
	return {
		changes: about.changes,
		resources: moving.map(({ kind, name, step, changes }) => ({
			kind,
			name,
			step,
			changes,
		})),
		processes: moving.filter(isProcess).map(describeProcess),
		replacements: moving
			.filter(({ step }) => step === "replace")
			.map(describeReplacement),
		risk: worstOf(reasons.map(({ risk }) => risk)),
		reasons,
		dataLoss: dataLoss ?? null,
		price: about.prices && priceOf(plan, about.prices),
	};
}

const isProcess = ({ kind, name }: Moving): boolean =>
	kind === "apps/v1/Deployment" && processNames.includes(name as ProcessName);

function describeProcess(resource: Moving): PreviewedProcess {
	const { name, step, before, after, changes } = resource;
	return {
		name,
		step,
		image: differ(before?.images?.[name], after?.images?.[name]),
		replicas: differ(before?.replicas, after?.replicas),
		settings: changes.flatMap((change) => {
			const [, setting] = /\.env\[([^\]]+)\]/.exec(change.path) ?? [];
			return setting === undefined
				? []
				: [{ name: setting, before: change.before, after: change.after }];
		}),
		downtime: findRisk(resource) !== undefined,
	};
}

const differ = <T>(from: T | undefined, to: T | undefined): FromTo<T> | null =>
	from === to ? null : { from: from ?? null, to: to ?? null };

const describeReplacement = (resource: Moving): Replacement => ({
	kind: resource.kind,
	name: resource.name,
	risk: findRisk(resource)?.risk ?? "none",
});

const holdsData = new Set([
	"v1/Namespace",
	"v1/PersistentVolumeClaim",
	"apps/v1/StatefulSet",
	"aws:s3/bucket:Bucket",
]);
const serves = new Set([
	"apps/v1/Deployment",
	"v1/Service",
	"networking.k8s.io/v1/Ingress",
]);

function findRisk(resource: Moving): RiskReason | undefined {
	const { kind, step, before } = resource;
	if (before === null) return undefined;
	const title = `${kind} ${resource.name}`;
	if (step === "delete" || step === "replace") {
		const what =
			step === "delete" ? "would be deleted" : "would be deleted and made anew";
		if (holdsData.has(kind))
			return { risk: "data", message: `${title} ${what}: it holds data.` };
		if (serves.has(kind))
			return {
				risk: "downtime",
				message: `${title} ${what}: it is away ${step === "delete" ? "for good" : "meanwhile"}.`,
			};
		return undefined;
	}
	const reason = findPause(resource);
	return reason === undefined
		? undefined
		: { risk: "downtime", message: `${title} ${reason}` };
}

/** Why a workload that is changed where it is does not serve all the time. */
function findPause({
	kind,
	changes,
	before,
	after,
}: Moving): string | undefined {
	if (after === null || before?.replicas === undefined) return undefined;
	if (before.replicas === 0) return undefined;
	if (after.replicas === 0) return "would have no replica any more.";
	const isRestarted = changes.some(({ path }) =>
		path.startsWith("spec.template"),
	);
	if (!isRestarted) return undefined;
	if (after.isRecreated === true)
		return "is ended before it starts again: it is away for a moment.";
	return kind === "apps/v1/StatefulSet" && before.replicas === 1
		? "has one replica, which is restarted: it is away for a moment."
		: undefined;
}

const explainLoss = ({ since, reason }: DataLoss): RiskReason => ({
	risk: "data",
	message: `What was written since ${since} would be lost: ${reason}`,
});

const worstOf = (found: readonly Risk[]): Risk =>
	risks.findLast((risk) => found.includes(risk)) ?? "none";

const hoursPerMonth = 730;

function priceOf(
	plan: readonly PlannedResource[],
	prices: Prices,
): PriceDifference {
	const sum = (side: "before" | "after") =>
		plan.map((resource) => resource[side]?.use ?? noUse).reduce(addUse, noUse);
	const before = cost(sum("before"), prices);
	const after = cost(sum("after"), prices);
	return {
		currency: prices.currency,
		before: round(before),
		after: round(after),
		difference: round(after - before),
	};
}

const cost = (use: Use, prices: Prices): number =>
	hoursPerMonth *
		(use.cpu * prices.cpuHour + use.memoryGiB * prices.memoryGiBHour) +
	use.storageGiB * prices.storageGiBMonth;

const round = (amount: number): number => Math.round(amount * 100) / 100;
