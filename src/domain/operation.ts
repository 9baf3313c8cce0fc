// An operation's life: its states, its phases with their deadlines, and which states are final.
import type { FailureRecord } from "../failure.ts";
import type { EnvironmentId, OperationId } from "./ids.ts";

export const operationKinds = ["create", "destroy"] as const;
export type OperationKind = (typeof operationKinds)[number];

/** Failed, timed out and superseded are three things. */
export const operationStates = [
	"queued",
	"running",
	"recovering",
	"succeeded",
	"failed",
	"timed_out",
	"superseded",
] as const;
export type OperationState = (typeof operationStates)[number];

/** States in which an operation owns its environment; the unique index of `operations` lists the same. */
export const activeStates = [
	"running",
	"recovering",
] as const satisfies readonly OperationState[];
export const finalStates = [
	"succeeded",
	"failed",
	"timed_out",
	"superseded",
] as const satisfies readonly OperationState[];
export type FinalState = (typeof finalStates)[number];

export const isFinal = (state: OperationState): state is FinalState =>
	(finalStates as readonly OperationState[]).includes(state);

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

/** How often an operation is begun before the service gives up and says so. */
export const maxAttempts = 3;

/** How far a place in the queue is counted: a count takes as long as the queue is, and every order asks for its own. */
export const farthestPlace = 200;

/** The pause in milliseconds before attempt `attempt` + 1, after a failure that may pass. */
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
	readonly state: "running" | "succeeded" | "failed";
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
}
