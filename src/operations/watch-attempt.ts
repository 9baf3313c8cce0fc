// What an attempt tells to whoever watches the service from outside: how long its phases take, and how it and its
// operation end.
import type { FinalState, PhaseName } from "../domain/operation.ts";
import {
	countAttempt,
	countBegun,
	countEnd,
	countPhase,
	countRecovery,
} from "../metrics.ts";
import type { Ownership } from "./claim.ts";

export interface AttemptWatch {
	beginPhase(name: PhaseName): void;
	/** The phase has done its work. Returns how long it took, in whole milliseconds. */
	endPhase(): number;
	/** The operation has come to its end: it is written down. */
	endOperation(state: FinalState): void;
	/** Nothing more comes. A phase that has not ended was broken off. */
	end(end: "final" | "postponed" | "lost"): void;
}

export function watchAttempt({
	operation,
	isFirstClaim,
}: Pick<Ownership, "operation" | "isFirstClaim">): AttemptWatch {
	const { kind, createdAt, startedAt } = operation;
	let open: { readonly phase: PhaseName; readonly at: number } | undefined;
	const close = (state: "succeeded" | "failed"): number => {
		if (open === undefined) return 0;
		const durationMs = performance.now() - open.at;
		countPhase({ kind, phase: open.phase, state, durationMs });
		open = undefined;
		return Math.round(durationMs);
	};
	if (!isFirstClaim) countRecovery(kind);
	else if (startedAt !== null)
		countBegun(kind, startedAt.getTime() - createdAt.getTime());
	return {
		beginPhase(phase) {
			open = { phase, at: performance.now() };
		},
		endPhase: () => close("succeeded"),
		endOperation: (state) => countEnd(operation, state),
		end(end) {
			close("failed");
			countAttempt(end);
		},
	};
}
