// Until when a phase may run: its own deadline, or the end of the operation's time if that comes first.
import type { PhaseName } from "../domain/operation.ts";
import { Failure } from "../failure.ts";
import { translateDatabaseError } from "../store/db.ts";
import type { Ownership } from "./claim.ts";

export interface Deadline {
	/** Aborts when the time is over. */
	readonly signal: AbortSignal;
	/** What a failure of the phase means: `timed_out` if it was cut off by this deadline, otherwise what it says itself. */
	explain(error: unknown): unknown;
}

/** Counts from now, by a monotonic clock. */
export function startDeadline(
	phase: PhaseName,
	ownership: Pick<Ownership, "deadlinesMs" | "leftMs">,
): Deadline {
	const phaseMs = ownership.deadlinesMs[phase];
	const leftMs = Math.max(0, Math.round(ownership.leftMs()));
	const signal = AbortSignal.timeout(Math.min(phaseMs, leftMs));
	const what =
		phaseMs <= leftMs
			? `The phase ${phase} took longer than ${describe(phaseMs)}.`
			: `The operation's time was over in the phase ${phase}, all attempts counted.`;
	return {
		signal,
		explain(thrown) {
			const error = translateDatabaseError(thrown);
			if (!signal.aborted || !isCutOff(error)) return error;
			return new Failure({
				code: "timed_out",
				message: `${what} ${error.message}`,
				untouched: "What was made so far is still there.",
				advice:
					"Look at the events for what it waited for. Destroying the environment cleans up.",
				cause: error,
			});
		},
	};
}

/** What a phase says that was told to stop, or that waited for something until the end. */
const isCutOff = (error: unknown): error is Failure =>
	error instanceof Failure && (error.code === "cancelled" || error.retryable);

const describe = (ms: number): string =>
	ms % 60_000 === 0
		? count(ms / 60_000, "minute")
		: count(ms / 1_000, "second");

const count = (n: number, unit: string): string =>
	`${n} ${unit}${n === 1 ? "" : "s"}`;
