// The roll-out of an upgrade or a rollback: one stage after the other, and what the reader of a failure learns of how far it came.
import {
	type Pace,
	type StageName,
	stageNames,
	type WorkloadName,
} from "../domain/blueprint.ts";
import type { NewEvent } from "../domain/event.ts";
import {
	type Operation,
	type OperationKind,
	type PhaseName,
	restores,
} from "../domain/operation.ts";
import { Failure } from "../failure.ts";
import { take, type Work } from "./work.ts";

const titles: Record<StageName, string> = {
	stores: "the data stores",
	migration: "the migration",
	backEnds: "the back ends",
	workers: "the workers",
	fronts: "the fronts",
	beat: "the scheduler's beat",
};

export interface RollOut {
	readonly onStage: Pace;
	/** The same failure, which says besides what runs in which revision. */
	explain(error: unknown): unknown;
	/** Ends a wait for a stage that goes on though the run is over. */
	close(): void;
}

/** Waits for each stage until the cluster runs it as the revision wishes. What runs so already passes at once. */
export function startRollOut(work: Work): RollOut {
	const over = new AbortController();
	const signal = AbortSignal.any([work.signal, over.signal]);
	const { namespace } = take(work, "environment");
	const cluster = take(work, "cluster");
	const ready = new Set<string>();
	work.findings.rolledOut = ready;
	const record = (event: NewEvent) => {
		if (event.type === "workload.ready") ready.add(identify(event.data));
		work.record(event);
	};
	let reached: StageName | undefined;
	let isPassed = true;
	return {
		async onStage({ name, workloads }) {
			const startedAt = performance.now();
			reached = name;
			isPassed = false;
			await cluster.waitUntilRolledOut(namespace, workloads, {
				signal,
				onEvent: record,
			});
			isPassed = true;
			record({
				type: "stage.completed",
				data: {
					stage: name,
					durationMs: Math.round(performance.now() - startedAt),
				},
			});
		},
		explain(error) {
			const index = reached === undefined ? -1 : stageNames.indexOf(reached);
			return explain(error, work, isPassed ? index + 1 : index);
		},
		close: () => over.abort(),
	};
}

/** Names a workload in `Findings.rolledOut`. */
export const identify = ({ kind, name }: WorkloadName): string =>
	`${kind} ${name}`;

const changesRevision = (kind: OperationKind): boolean =>
	kind === "upgrade" || kind === "rollback";

/** `stopped` is the index of the stage that did not come to its end. */
function explain(error: unknown, work: Work, stopped: number): unknown {
	const stage = stageNames[stopped];
	if (!(error instanceof Failure) || error.retryable || stage === undefined)
		return error;
	// One that wakes, or has its data restored, runs the same revision all along.
	if (!changesRevision(work.operation.kind)) return error;
	const { revisionTo } = work.operation;
	const list = (names: readonly StageName[]) =>
		names.map((name) => titles[name]).join(", ");
	const done = stageNames.slice(0, stopped);
	const left = stageNames.slice(stopped + 1);
	const parts = [
		left.length > 0 ? `${describeLeft(work.operation)}: ${list(left)}.` : "",
		`Changed in part: ${titles[stage]}.`,
		done.length > 0
			? `Running revision ${revisionTo} already: ${list(done)}.`
			: "",
		"Nothing was deleted.",
	];
	return retell(error, work.operation, {
		message: `The roll-out stopped at ${titles[stage]}. ${error.message}`,
		untouched: parts.filter((part) => part !== "").join(" "),
	});
}

/** What is with the parts that the roll-out did not come to. */
function describeLeft(operation: Operation): string {
	if (restores(operation)) return "Not started again";
	// A rollback often follows a failure, after which some parts run one revision and some the other.
	return operation.kind === "rollback"
		? "Not touched, and running what they ran before it"
		: `Not touched, and running revision ${operation.revisionFrom} as before`;
}

/** The same failure, which says besides what runs, for what came through its stages and failed behind them. */
export function explainRollOut(
	operation: Operation,
	phase: PhaseName | undefined,
	error: unknown,
): unknown {
	const isBehind = phase === "waiting" || phase === "verifying";
	if (!changesRevision(operation.kind) || !isBehind) return error;
	if (!(error instanceof Failure)) return error;
	const { revisionFrom, revisionTo } = operation;
	const data = restores(operation)
		? "The data are those of the backup; secrets were left alone."
		: "Data and secrets were left alone.";
	return retell(error, operation, {
		message: error.message,
		untouched: `Everything runs revision ${revisionTo} by now, though not as it should. Revision ${revisionFrom} is the last that was verified. ${data}`,
	});
}

function retell(
	error: Failure,
	operation: Operation,
	words: { readonly message: string; readonly untouched: string },
): Failure {
	const advice = [error.advice, adviseNext(operation)].filter(
		(part) => part !== undefined,
	);
	return new Failure({
		...words,
		code: error.code,
		...(advice.length > 0 && { advice: advice.join(" ") }),
		retryable: error.retryable,
		errors: error.errors,
		cause: error,
	});
}

/** What a person does after a failed roll-out; undefined where the service itself does something, and says so. */
function adviseNext({
	kind,
	options,
	revisionFrom,
}: Operation): string | undefined {
	if (kind === "rollback") {
		return "Try it again with POST /v1/operations/{id}:retry, roll back to another revision, upgrade to what works, or destroy the environment.";
	}
	return options.onFailure === "rollback"
		? undefined
		: adviseAfterUpgrade(revisionFrom);
}

export const adviseAfterUpgrade = (revisionFrom: number | null): string =>
	`Upgrade again, to what works or back to what revision ${revisionFrom} was, or destroy the environment.`;
