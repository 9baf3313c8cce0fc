// What an attempt tells to whoever watches the service from outside: how long its phases take, and how it and its
// operation end; as counts, and as parts of the trace of the request that ordered it.
import type { EngineHooks } from "../domain/engine.ts";
import type { FinalState, PhaseName } from "../domain/operation.ts";
import { createSpan, parseTraceparent, type Trace } from "../domain/trace.ts";
import {
	countAttempt,
	countBegun,
	countEnd,
	countPhase,
	countRecovery,
} from "../metrics.ts";
import {
	beginSpan,
	isRecorded,
	startClock,
	tellSpan,
} from "../tracing/spans.ts";
import type { Ownership } from "./claim.ts";

type Watched = Pick<Ownership, "operation" | "isFirstClaim" | "traceparent">;

export interface PhaseWatch {
	/** What the phase does is this part of the trace. */
	readonly trace: Trace;
	/** Takes the engine's steps, if they are recorded. */
	readonly onStep: EngineHooks["onStep"];
}

export interface AttemptWatch {
	/** What the attempt does is this part of the trace. */
	readonly trace: Trace;
	beginPhase(name: PhaseName): PhaseWatch;
	/** The phase has done its work. Returns how long it took, in whole milliseconds. */
	endPhase(): number;
	/** The operation has come to its end: it is written down. */
	endOperation(state: FinalState): void;
	/** Nothing more comes. A phase that has not ended was broken off. */
	end(end: "final" | "postponed" | "lost"): void;
}

interface OpenPhase {
	readonly phase: PhaseName;
	readonly trace: Trace;
	readonly clock: ReturnType<typeof startClock>;
}

export function watchAttempt(ownership: Watched): AttemptWatch {
	const { operation, isFirstClaim } = ownership;
	const { kind, createdAt, startedAt } = operation;
	const order = parseTraceparent(ownership.traceparent ?? undefined);
	const trace = beginSpan(order);
	const clock = startClock();
	const about = {
		"impresario.operation": operation.id,
		"impresario.environment": operation.environment,
		"impresario.kind": kind,
	};
	let state: FinalState | undefined;
	let open: OpenPhase | undefined;

	const close = (outcome: "succeeded" | "failed"): number => {
		if (open === undefined) return 0;
		const { phase, trace, clock } = open;
		open = undefined;
		const endedAt = clock.end();
		const durationMs = endedAt - clock.startedAt;
		countPhase({ kind, phase, state: outcome, durationMs });
		tellSpan({
			trace,
			name: `phase ${phase}`,
			kind: "internal",
			startedAt: clock.startedAt,
			endedAt,
			attributes: { ...about, "impresario.phase": phase },
			...(outcome === "failed" && { error: outcome }),
		});
		return Math.round(durationMs);
	};

	if (!isFirstClaim) countRecovery(kind);
	else if (startedAt !== null) {
		countBegun(kind, startedAt.getTime() - createdAt.getTime());
		if (order !== undefined)
			tellSpan({
				trace: createSpan(order),
				name: `wait ${kind}`,
				kind: "internal",
				startedAt: createdAt.getTime(),
				endedAt: startedAt.getTime(),
				attributes: about,
			});
	}

	return {
		trace,
		beginPhase(phase) {
			const part = createSpan(trace);
			open = { phase, trace: part, clock: startClock() };
			return {
				trace: part,
				onStep: isRecorded(part)
					? ({ change, kind, name, state, ...times }) =>
							tellSpan({
								...times,
								trace: createSpan(part),
								name: `${change} ${kind}`,
								kind: "internal",
								attributes: {
									...about,
									"impresario.resource.kind": kind,
									"impresario.resource.name": name,
								},
								...(state === "failed" && { error: state }),
							})
					: undefined,
			};
		},
		endPhase: () => close("succeeded"),
		endOperation(final) {
			state = final;
			countEnd(operation, final);
		},
		end(end) {
			close("failed");
			countAttempt(end);
			const outcome = state ?? end;
			tellSpan({
				trace,
				name: `attempt ${kind}`,
				kind: "consumer",
				startedAt: clock.startedAt,
				endedAt: clock.end(),
				attributes: {
					...about,
					"impresario.attempt": operation.attempt,
					"impresario.end": outcome,
				},
				...(outcome !== "succeeded" && { error: outcome }),
			});
		},
	};
}
