// What makes sure that nothing waits for ever: it sends again what was forgotten and ends what nobody will
// end any more. Any number may run at once; each row is taken by one of them (skip locked).
import { movesLifecycle } from "../domain/environment.ts";
import type { NewEvent } from "../domain/event.ts";
import type { OperationId } from "../domain/ids.ts";
import {
	type FinalState,
	maxAttempts,
	type Operation,
	type PhaseRecord,
	queuedForMs,
} from "../domain/operation.ts";
import { Failure, type FailureRecord, recordFailure } from "../failure.ts";
import type { Log } from "../log.ts";
import { countEnd, countResent } from "../metrics.ts";
import type { Sender } from "../queue/enqueue.ts";
import type { SealKey } from "../seal.ts";
import { forgetOrder } from "../store/approvals.ts";
import type { Db } from "../store/db.ts";
import { lockEnvironment, updateEnvironment } from "../store/environments.ts";
import { appendEvents } from "../store/events.ts";
import { forgetAnswers } from "../store/idempotency-keys.ts";
import {
	closeAbandoned,
	listOverdue,
	takeForgotten,
} from "../store/operations.ts";
import { forgetWishes } from "../store/previews.ts";
import { decideConsequence, tellEnd } from "./automatic-rollback.ts";
import { leaveUnsuccessful, restoreLifecycle } from "./lifecycle.ts";
import type { WishContext } from "./wish.ts";

/** A message is thought lost when its operation was not claimed for this long; a wrong guess does no harm. */
const forgottenAfterMs = 10_000;
/** Of one that waits because all workers have enough to do, a message is sent at least so often. */
const atLeastEveryMs = 60_000;
const batch = 200;
/** Kept answers that are thrown away by one pass, after their time. */
const forgottenAnswers = 5_000;

export interface SweepContext {
	readonly db: Db;
	readonly sealKey: SealKey;
	readonly sender: Pick<Sender, "enqueue">;
	readonly log: Log;
}

/** One pass. Returns how much there was to do. */
export async function sweep(
	context: SweepContext,
): Promise<{ resent: number; ended: number }> {
	const { ends, ordered } = await endOverdue(context);
	for (const { operation, state } of ends) countEnd(operation, state);
	await forgetWishes(context.db);
	await forgetAnswers(context.db, forgottenAnswers);
	const forgotten = await takeForgotten(context.db, {
		afterMs: forgottenAfterMs,
		atLeastEveryMs,
		limit: batch,
	});
	countResent(forgotten.length);
	// Side by side: with a queue that is away each of them takes its time to say so.
	await Promise.all(
		[...ordered.map((id) => ({ id, sends: 0 })), ...forgotten].map(
			({ id, sends }) => context.sender.enqueue(id, sends),
		),
	);
	return { resent: forgotten.length, ended: ends.length };
}

/** `ordered` are the operations that follow from ends by themselves. */
async function endOverdue({
	db,
	sealKey,
	log,
}: SweepContext): Promise<{ ends: End[]; ordered: OperationId[] }> {
	return db.transaction().execute(async (trx) => {
		const ends: End[] = [];
		const ordered: OperationId[] = [];
		const overdue = await listOverdue(trx, { maxAttempts, queuedForMs });
		for (const operation of overdue) {
			const failure = explainEnd(operation);
			log.warn(
				{ operation: operation.id, code: failure.code },
				"an abandoned operation was ended",
			);
			const context = { db: trx, sealKey };
			const end = await endAbandoned(context, operation, failure);
			if (end === undefined) continue;
			ends.push(end);
			if (end.next !== undefined) ordered.push(end.next);
		}
		return { ends, ordered };
	});
}

function explainEnd(operation: Operation): Failure {
	if (operation.state === "cancelling") {
		return new Failure({
			code: "cancelled",
			message:
				"The operation was cancelled, and no worker came to look what had become of it.",
			untouched: "What was made so far is still there.",
			advice:
				"See that processes of the role `worker` run. Then try it again with POST /v1/operations/{id}:retry, or destroy the environment.",
		});
	}
	if (operation.state === "awaiting_approval") {
		return new Failure({
			code: "timed_out",
			message: "Nobody approved the operation in time.",
			untouched: "Nothing was begun.",
			advice: "Order it again, and tell who may approve it.",
		});
	}
	if (operation.state !== "queued" && operation.attempt >= maxAttempts) {
		return new Failure({
			code: "unavailable",
			message: `The service gave up after ${operation.attempt} attempts, none of which came to an end.`,
			untouched: "What was made so far is still there.",
			advice:
				"Look at the service's log for why its workers stopped. Then POST /v1/operations/{id}:retry goes on from there; destroying the environment cleans up.",
			retryable: true,
		});
	}
	return new Failure({
		code: "timed_out",
		message:
			operation.state === "queued"
				? "No worker took the operation in time."
				: "The operation was over its deadline and had no worker.",
		untouched:
			operation.state === "queued"
				? "Nothing was begun."
				: "What was made so far is still there.",
		advice:
			"See that processes of the role `worker` run and reach the queue (each logs when it does not), then order again.",
	});
}

const isBegun = ({ state }: Operation): boolean =>
	state !== "queued" && state !== "awaiting_approval";

interface End {
	readonly operation: Operation;
	readonly state: FinalState;
	/** The operation that follows from it by itself. */
	readonly next: OperationId | undefined;
}

/** Undefined: it has ended otherwise meanwhile. */
async function endAbandoned(
	context: WishContext,
	operation: Operation,
	failure: Failure,
): Promise<End | undefined> {
	const { db: trx } = context;
	const error = recordFailure(failure);
	const state = stateAfter[failure.code] ?? "failed";
	const consequence =
		!isBegun(operation) || state === "cancelled"
			? undefined
			: await decideConsequence(context, operation, state);
	const end =
		state === "cancelled"
			? { error, event: tellCancelled(operation) }
			: tellEnd(operation, { state, error }, consequence);
	const ended = endRunning(operation.phases, state, error);
	const closed = await closeAbandoned(trx, operation.id, {
		state,
		error: end.error,
		phases: ended.phases,
		forced: state === "cancelled",
	});
	if (!closed) return undefined;
	if (operation.state === "queued") await leaveUnbegun(trx, operation);
	else if (isBegun(operation)) await leaveUnsuccessful(trx, operation);
	// What awaited an approval has moved nothing.
	else await forgetOrder(trx, operation.id);
	await appendEvents(
		trx,
		{ environment: operation.environment, operation: operation.id },
		[...ended.events, end.event],
	);
	await consequence?.carryOut();
	return { operation, state, next: consequence?.rollback };
}

const tellCancelled = ({ kind, cancellation }: Operation): NewEvent => ({
	type: "operation.cancelled",
	data: {
		kind,
		by: cancellation?.requestedBy ?? "",
		forced: true,
		exists: null,
	},
});

async function leaveUnbegun(
	trx: Db,
	{ kind, environment: id }: Operation,
): Promise<void> {
	const environment = await lockEnvironment(trx, id);
	if (!movesLifecycle(kind)) return;
	await updateEnvironment(trx, id, {
		lifecycle: await restoreLifecycle(trx, environment),
	});
}

/** The phase in which the last owner was left: nobody is in it any more. */
function endRunning(
	phases: readonly PhaseRecord[],
	end: FinalState,
	error: FailureRecord,
): { phases: PhaseRecord[]; events: NewEvent[] } {
	const now = new Date();
	const events: NewEvent[] = [];
	const ended = phases.map((phase): PhaseRecord => {
		if (phase.state !== "running") return phase;
		const finishedAt = now.toISOString();
		if (end === "cancelled") return { ...phase, state: end, finishedAt };
		const durationMs = now.getTime() - Date.parse(phase.startedAt);
		const data = { phase: phase.name, durationMs, error };
		events.push({ type: "phase.failed", data });
		return { ...phase, state: "failed", finishedAt };
	});
	return { phases: ended, events };
}

const stateAfter: Partial<
	Record<Failure["code"], "cancelled" | "stalled" | "timed_out">
> = {
	cancelled: "cancelled",
	timed_out: "timed_out",
	unavailable: "stalled",
};
