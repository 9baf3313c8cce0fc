// An operation's life: its states, its phases with their deadlines, and which states are final.
import type { FailureRecord } from "../failure.ts";
import type { EnvironmentId, OperationId } from "./ids.ts";

export const operationKinds = ["create", "upgrade", "destroy"] as const;
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
	upgrade: ["preparing", "applying", "waiting", "verifying", "finishing"],
	destroy: ["preparing", "applying", "waiting", "finishing"],
};

export type PhaseDeadlines = Readonly<Record<PhaseName, number>>;

/** How long each phase of most kinds may take, in milliseconds, counted from its start, where the target says nothing else. */
const phaseDeadlinesMs: PhaseDeadlines = {
	preparing: 60_000,
	applying: 10 * 60_000,
	waiting: 15 * 60_000,
	verifying: 5 * 60_000,
	finishing: 60_000,
};

/** How long a phase may take, in milliseconds, where the target says nothing else. An upgrade waits for its stages while it applies them. */
export const phaseDeadlineMs = (kind: OperationKind, phase: PhaseName) =>
	phaseDeadlinesMs[phase] +
	(kind === "upgrade" && phase === "applying" ? 20 * 60_000 : 0);

/** The deadlines of all phases of a kind in milliseconds, by what a target says of some of them in seconds. */
export const decideDeadlines = (
	kind: OperationKind,
	seconds: Readonly<Partial<Record<PhaseName, number>>>,
): PhaseDeadlines =>
	Object.fromEntries(
		phaseNames.map((phase) => [
			phase,
			(seconds[phase] ?? phaseDeadlineMs(kind, phase) / 1_000) * 1_000,
		]),
	) as Record<PhaseName, number>;

/**
 * How long an owner may take to end an operation that is over its deadline: the engine's child and its CLI are stopped
 * in steps that take up to 40 s. After that it may not renew its lease any more.
 */
export const overrunMs = 60_000;

/** An order that no worker took for so long is not wanted any more. */
export const queuedForMs = 24 * 60 * 60 * 1_000;

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
/** When a renewal failed, the next is tried after this. */
export const leaseRetryMs = 500;

export interface PhaseRecord {
	readonly name: PhaseName;
	readonly state: "running" | "succeeded" | "failed";
	readonly startedAt: string;
	readonly finishedAt: string | null;
}

/**
 * How many resources the engine created, updated and so on: summed over the runs of all attempts that came to their
 * end. A run that was cut off never told; its resource events did. `same` is the last run's.
 */
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

/** What earlier attempts changed and what the run after them did, together. */
export const addChanges = (before: Changes, run: Changes): Changes => ({
	create: before.create + run.create,
	update: before.update + run.update,
	replace: before.replace + run.replace,
	delete: before.delete + run.delete,
	same: run.same,
});

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

/**
 * Who sees to it that an operation leaves a state, until when, and how it ends if he does not: nothing waits for ever.
 * The sweep is the owner behind each owner.
 */
export const custody: Readonly<
	Record<
		Exclude<OperationState, FinalState>,
		{
			readonly owner: string;
			readonly deadline: "queuedForMs" | "deadlineAt";
			readonly endsAs: FinalState;
		}
	>
> = {
	queued: {
		owner: "the queue, whose message the sweep sends again",
		deadline: "queuedForMs",
		endsAs: "timed_out",
	},
	running: {
		owner: "the worker that holds the lease",
		deadline: "deadlineAt",
		endsAs: "timed_out",
	},
	recovering: {
		owner: "the worker that holds the lease; until one does, the sweep",
		deadline: "deadlineAt",
		endsAs: "timed_out",
	},
};
