// An operation's life: its states, its phases with their deadlines, and which states are final.
import type { FailureRecord } from "../failure.ts";
import type { EndReason } from "./expiry.ts";
import type { BackupId, EnvironmentId, OperationId, PreviewId } from "./ids.ts";
import type { SecretName } from "./secret.ts";
import type { Existing } from "./stock.ts";

export const operationKinds = [
	"create",
	"upgrade",
	"backup",
	"restore",
	"rotate",
	"hibernate",
	"wake",
	"refresh",
	"rollback",
	"preview",
	"destroy",
] as const;
export type OperationKind = (typeof operationKinds)[number];

/** A preview only looks, so it waits for nobody and nobody waits for it; the unique index of `operations` says the same. */
export const takesTurn = (kind: OperationKind): boolean => kind !== "preview";

export const turnKinds: readonly OperationKind[] =
	operationKinds.filter(takesTurn);

/** Failed, cancelled, timed out, superseded and stalled are five things. */
export const operationStates = [
	"queued",
	"awaiting_approval",
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
	awaiting_approval: "ends",
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
	"previewing",
	"checking",
	"backing_up",
	"quiescing",
	"copying",
	"restoring",
	"refreshing",
	"applying",
	"waiting",
	"verifying",
	"finishing",
] as const;
export type PhaseName = (typeof phaseNames)[number];

/** The phases of each kind, in their order; `listPhases` says which of them an operation needs. */
export const phasesOf: Record<OperationKind, readonly PhaseName[]> = {
	refresh: [
		"preparing",
		"refreshing",
		"applying",
		"waiting",
		"verifying",
		"finishing",
	],
	create: [
		"preparing",
		"quiescing",
		"copying",
		"restoring",
		"applying",
		"waiting",
		"verifying",
		"finishing",
	],
	preview: ["preparing", "previewing", "finishing"],
	upgrade: [
		"preparing",
		"backing_up",
		"applying",
		"waiting",
		"verifying",
		"finishing",
	],
	rollback: [
		"preparing",
		"checking",
		"backing_up",
		"quiescing",
		"restoring",
		"applying",
		"waiting",
		"verifying",
		"finishing",
	],
	backup: ["preparing", "backing_up", "finishing"],
	restore: [
		"preparing",
		"checking",
		"backing_up",
		"quiescing",
		"restoring",
		"applying",
		"waiting",
		"verifying",
		"finishing",
	],
	rotate: ["preparing", "applying", "waiting", "verifying", "finishing"],
	hibernate: ["preparing", "quiescing", "applying", "waiting", "finishing"],
	wake: ["preparing", "applying", "waiting", "verifying", "finishing"],
	destroy: ["preparing", "backing_up", "applying", "waiting", "finishing"],
};

/** The phases that this operation goes through: those of its kind without what its options make needless. */
export const listPhases = (
	operation: Pick<Operation, "kind" | "options" | "restore">,
): readonly PhaseName[] =>
	phasesOf[operation.kind].filter(
		(phase) => isNeedless[phase]?.(operation) !== true,
	);

/** Whether a backup takes the place of the data. */
export const restores = ({
	kind,
	options,
}: Pick<Operation, "kind" | "options">): boolean =>
	kind === "restore" || options.data === "restore";

/** Those of a kind that every operation of it goes through. */
export const listLeastPhases = (kind: OperationKind): readonly PhaseName[] =>
	listPhases({ kind, options: {}, restore: null });

/** What was restored once is neither prepared nor done again: somebody may have written since. */
const isNotToBeRestored = (
	operation: Pick<Operation, "kind" | "options" | "restore">,
): boolean => !bringsData(operation) || operation.restore === "done";

/** A new environment begins empty, unless it is to have the data of another. */
const bringsData = (operation: Pick<Operation, "kind" | "options">): boolean =>
	restores(operation) ||
	(operation.kind === "create" && operation.options.fromBackup !== undefined);

/** A window of time, in ISO 8601. */
export interface Window {
	readonly from: string;
	readonly to: string;
}

/**
 * When the data were written that are lost by it; null if none are. As long as nobody is kept from writing, it ends now;
 * it may seem longer than it is where more than one attempt was needed.
 */
export function findDataLoss(
	operation: Pick<
		Operation,
		"kind" | "options" | "phases" | "finishedAt" | "restore"
	>,
	now: Date,
): Window | null {
	const { options, phases, finishedAt, restore } = operation;
	const from = options.dataFrom;
	if (from === undefined || !restores(operation)) return null;
	if (finishedAt !== null && restore === null) return null;
	const quiesced = phases.find(({ name }) => name === "quiescing");
	return { from, to: quiesced?.startedAt ?? (finishedAt ?? now).toISOString() };
}

/** A refresh that only looks ends after its look. */
const isLookOnly = ({ kind, options }: Pick<Operation, "kind" | "options">) =>
	kind === "refresh" && options.repair !== true;

const onlyToRepair = {
	applying: isLookOnly,
	waiting: isLookOnly,
	verifying: isLookOnly,
};

const isNeedless: Readonly<
	Partial<
		Record<
			PhaseName,
			(operation: Pick<Operation, "kind" | "options" | "restore">) => boolean
		>
	>
> = {
	checking: isNotToBeRestored,
	backing_up: ({ kind, options }) =>
		kind !== "backup" && options.backup !== "required",
	quiescing: (operation) =>
		operation.kind !== "hibernate" && isNotToBeRestored(operation),
	copying: isNotToBeRestored,
	restoring: isNotToBeRestored,
	...onlyToRepair,
};

/** Phases in which nothing of the environment is changed. */
const harmlessPhases: readonly PhaseName[] = [
	"preparing",
	"refreshing",
	"checking",
	"backing_up",
	"finishing",
];

/** Whether an operation that entered this phase may have changed something of its environment. */
export const isTouching = (phase: PhaseName): boolean =>
	!harmlessPhases.includes(phase);
/** Of a refresh: what only a repair goes through. */
export const repairPhases: ReadonlySet<PhaseName> = new Set([
	"applying",
	"waiting",
	"verifying",
]);

export type PhaseDeadlines = Readonly<Record<PhaseName, number>>;

/** How long each phase of most kinds may take, in milliseconds, counted from its start, where the target says nothing else. */
const phaseDeadlinesMs: PhaseDeadlines = {
	preparing: 60_000,
	previewing: 5 * 60_000,
	// As long as it takes to read all of a backup, or all of the databases.
	checking: 30 * 60_000,
	backing_up: 30 * 60_000,
	// Workers end what they have begun, and so does a backup.
	quiescing: 20 * 60_000,
	copying: 30 * 60_000,
	restoring: 60 * 60_000,
	refreshing: 2 * 60_000,
	applying: 10 * 60_000,
	waiting: 15 * 60_000,
	verifying: 5 * 60_000,
	finishing: 60_000,
};

/** Whether it is rolled out stage by stage, each of which must run before the next one is touched. */
export const goesByStages = (kind: OperationKind): boolean =>
	stagedKinds.includes(kind);

const stagedKinds: readonly OperationKind[] = [
	"upgrade",
	"rollback",
	"wake",
	"restore",
];

/** How long a phase may take, in milliseconds, where the target says nothing else. What goes by stages waits for them while it applies. */
export const phaseDeadlineMs = (kind: OperationKind, phase: PhaseName) =>
	phaseDeadlinesMs[phase] +
	(goesByStages(kind) && phase === "applying" ? 20 * 60_000 : 0);

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

/** An order that no worker took for so long, or nobody approved, is not wanted any more. */
export const queuedForMs = 24 * 60 * 60 * 1_000;

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
/** When a renewal failed, the next is tried after this. */
export const leaseRetryMs = 500;

export interface PhaseRecord {
	readonly name: PhaseName;
	readonly state: "running" | "succeeded" | "failed" | "cancelled";
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
	/** Of a destroy: the bucket with the backups, where the target has AWS, outlives the environment. */
	readonly keepsBackups: boolean;
	readonly options: OperationOptions;
	/** The operation whose end made the service order this one. */
	readonly causedBy: OperationId | null;
	/** It had to be approved before it could stand in line. */
	readonly needsApproval: boolean;
	/** Who approved it; null where nobody had to, or has not yet. */
	readonly approvedBy: string | null;
	/** It entered a phase that changes the environment: its failure before that leaves everything as it was. */
	readonly isTouched: boolean;
	/** Of one that restores: `begun` as long as the databases may hold a part of the backup. */
	readonly restore: "begun" | "done" | null;
}

/** Whether a restore that ended has stopped what runs, and has not come to the databases. */
export const isOnlyStopped = ({
	kind,
	isTouched,
	restore,
}: Pick<Operation, "kind" | "isTouched" | "restore">): boolean =>
	kind === "restore" && isTouched && restore === null;

/** What an order chose beside the revision. A field that its kind does not know is absent. */
export interface OperationOptions {
	/** Of what changes data: whether it may go on without a backup from just before. */
	readonly backup?: "required" | "skip";
	/** Of an upgrade: what its failure leads to. */
	readonly onFailure?: "rollback" | "keep";
	/** Of a rollback: whether the data go back, too. */
	readonly data?: "keep" | "restore";
	/** Of a preview: where its result is. Of an order: the preview that it was bound to. */
	readonly preview?: PreviewId;
	/** Of what the service ordered because an environment's time was over. */
	readonly reason?: EndReason;
	/** Of what restores, and of a create whose environment is to have data: which backup. */
	readonly fromBackup?: BackupId;
	/** When that one was taken, as ISO 8601: what was written since then is lost. */
	readonly dataFrom?: string;
	/** Of a restore: whether a backup of another minor version is taken, too. */
	readonly allowOtherVersion?: boolean;
	/** Of a refresh: whether it puts right what differs. */
	readonly repair?: boolean;
	/** Somebody knows what the dangerous part of the order may cost. */
	readonly acknowledge?: boolean;
	/** Of a rotation: the names of the secrets that get new values. */
	readonly secrets?: readonly SecretName[];
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
	awaiting_approval: {
		owner: "whoever approves it, which who ordered it may not",
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
	cancelling: {
		owner: "the worker that holds the lease, or the next one; then the sweep",
		deadline: "deadlineAt",
		endsAs: "cancelled",
	},
};
