// An operation's life: its states, its phases with their deadlines, and which states are final.
import type { FailureRecord } from "../failure.ts";
import type { EnvironmentId, OperationId } from "./ids.ts";
import type { Existing } from "./stock.ts";

export const operationKinds = ["create", "destroy"] as const;
export type OperationKind = (typeof operationKinds)[number];

/** Failed, cancelled, timed out, superseded and stalled are five things. */
export const operationStates = [
	"queued",
	"running",
	"recovering",
	"cancelling",
	"succeeded",
	"failed",
	"cancelled",
	"timed_out",
	"superseded",
	"stalled",
] as const;
export type OperationState = (typeof operationStates)[number];

/** States in which an operation owns its environment; the unique index of `operations` lists the same. */
export const activeStates = [
	"running",
	"recovering",
	"cancelling",
] as const satisfies readonly OperationState[];
export const finalStates = [
	"succeeded",
	"failed",
	"cancelled",
	"timed_out",
	"superseded",
	"stalled",
] as const satisfies readonly OperationState[];
export type FinalState = (typeof finalStates)[number];

export const isFinal = (state: OperationState): state is FinalState =>
	(finalStates as readonly OperationState[]).includes(state);

/**
 * What the wish to cancel an operation comes to. `ends`: nothing was begun, so it is cancelled at once. `asks`: its
 * owner is told, and ends it. `repeats`: that was asked before. `late`: it has ended otherwise.
 */
export const cancelAnswers: Readonly<
	Record<OperationState, "ends" | "asks" | "repeats" | "late">
> = {
	queued: "ends",
	running: "asks",
	recovering: "asks",
	cancelling: "repeats",
	cancelled: "repeats",
	succeeded: "late",
	failed: "late",
	timed_out: "late",
	superseded: "late",
	stalled: "late",
};

/** Ends after which the same may be tried again, by a new operation. */
export const retryableStates = [
	"failed",
	"cancelled",
	"timed_out",
	"stalled",
] as const satisfies readonly FinalState[];

export const mayBeRetried = (state: OperationState): boolean =>
	(retryableStates as readonly OperationState[]).includes(state);

export const phaseNames = [
	"preparing",
	"applying",
	"waiting",
	"verifying",
	"finishing",
] as const;
export type PhaseName = (typeof phaseNames)[number];

/** The phases of each kind, in their order. */
export const phasesOf: Record<OperationKind, readonly PhaseName[]> = {
	create: ["preparing", "applying", "waiting", "verifying", "finishing"],
	destroy: ["preparing", "applying", "waiting", "finishing"],
};

/** How long each phase may take, in milliseconds, counted from its start. */
export const phaseDeadlinesMs: Record<PhaseName, number> = {
	preparing: 60_000,
	applying: 10 * 60_000,
	waiting: 15 * 60_000,
	verifying: 5 * 60_000,
	finishing: 60_000,
};

/** The whole operation's budget in milliseconds, queueing not counted. */
export const operationDeadlineMs = (kind: OperationKind): number =>
	phasesOf[kind].reduce((sum, phase) => sum + phaseDeadlinesMs[phase], 0);

/** What the parts of a cancellation may take, in milliseconds. */
export const cancelDeadlinesMs = {
	/** How often an owner looks whether it was asked to stop. */
	look: 500,
	/** How long an interrupted engine may finish what is in flight, before it and all that it started are ended by force. */
	engine: 30_000,
	/** How long it may take to find out what exists; after that it is not known. */
	stock: 10_000,
	/** All of it, counted from the request. */
	whole: 2 * 60_000,
};

/** How often an operation is begun before the service gives up and says so: it is stalled then. */
export const maxAttempts = 5;

/** The pause in milliseconds before attempt `attempt` + 1, after a failure that may pass: 80 s in all. */
export const retryDelayMs = (attempt: number): number =>
	2_000 * 3 ** (attempt - 1);

/**
 * How long a claimed operation stays its owner's without a renewal, in milliseconds. It is the price of a
 * killed worker: nobody else may touch the environment before it is over.
 */
export const leaseMs = 15_000;
export const leaseRenewalMs = 5_000;

export interface PhaseRecord {
	readonly name: PhaseName;
	readonly state: "running" | "succeeded" | "failed" | "cancelled";
	readonly startedAt: string;
	readonly finishedAt: string | null;
}

/** How many resources the engine created, updated and so on. */
export interface Changes {
	readonly create: number;
	readonly update: number;
	readonly replace: number;
	readonly delete: number;
	readonly same: number;
}

export const noChanges: Changes = {
	create: 0,
	update: 0,
	replace: 0,
	delete: 0,
	same: 0,
};

/** The wish to cancel an operation, and how it was met. */
export interface Cancellation {
	readonly requestedBy: string;
	readonly requestedAt: Date;
	/** What was in flight was cut off, and its outcome was recovered from the engine's journal. */
	readonly forced: boolean;
}

export interface Operation {
	readonly id: OperationId;
	readonly environment: EnvironmentId;
	readonly kind: OperationKind;
	readonly state: OperationState;
	readonly phase: PhaseName | null;
	readonly attempt: number;
	readonly revisionFrom: number | null;
	readonly revisionTo: number | null;
	readonly phases: readonly PhaseRecord[];
	readonly changes: Changes;
	readonly requestedBy: string;
	readonly createdAt: Date;
	readonly startedAt: Date | null;
	readonly finishedAt: Date | null;
	readonly deadlineAt: Date | null;
	readonly error: FailureRecord | null;
	/** The operation that this one tries again. */
	readonly retryOf: OperationId | null;
	readonly cancellation: Cancellation | null;
	/** What there was when it ended cancelled or stalled; null: it was not looked for, or could not be found out. */
	readonly exists: readonly Existing[] | null;
}
