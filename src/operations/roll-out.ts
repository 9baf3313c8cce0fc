// The roll-out of an upgrade: one stage after the other, and what the reader of a failure learns of how far it came.
import {
	type Pace,
	type StageName,
	stageNames,
	type WorkloadName,
} from "../domain/blueprint.ts";
import type { NewEvent } from "../domain/event.ts";
import type { Operation, PhaseName } from "../domain/operation.ts";
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

/** `stopped` is the index of the stage that did not come to its end. */
function explain(error: unknown, work: Work, stopped: number): unknown {
	const stage = stageNames[stopped];
	if (!(error instanceof Failure) || error.retryable || stage === undefined)
		return error;
	// One that wakes, or has its data restored, runs the same revision all along.
	if (work.operation.kind !== "upgrade") return error;
	const { revisionFrom, revisionTo } = work.operation;
	const list = (names: readonly StageName[]) =>
		names.map((name) => titles[name]).join(", ");
	const done = stageNames.slice(0, stopped);
	const left = stageNames.slice(stopped + 1);
	const parts = [
		left.length > 0
			? `Not touched, and running revision ${revisionFrom} as before: ${list(left)}.`
			: "",
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

/** The same failure, which says besides what runs, for an upgrade that came through its stages and failed behind them. */
export function explainUpgrade(
	operation: Operation,
	phase: PhaseName | undefined,
	error: unknown,
): unknown {
	const isBehind = phase === "waiting" || phase === "verifying";
	if (operation.kind !== "upgrade" || !isBehind) return error;
	if (!(error instanceof Failure)) return error;
	const { revisionFrom, revisionTo } = operation;
	return retell(error, operation, {
		message: error.message,
		untouched: `Everything runs revision ${revisionTo} by now, though not as it should. Revision ${revisionFrom} is the last that was verified. Data and secrets were left alone.`,
	});
}

function retell(
	error: Failure,
	{ revisionFrom }: Operation,
	words: { readonly message: string; readonly untouched: string },
): Failure {
	const next = `Upgrade again, to what works or back to what revision ${revisionFrom} was, or destroy the environment.`;
	return new Failure({
		...words,
		code: error.code,
		advice: error.advice === undefined ? next : `${error.advice} ${next}`,
		retryable: error.retryable,
		errors: error.errors,
		cause: error,
	});
}
