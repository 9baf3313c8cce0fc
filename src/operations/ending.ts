// The end of an attempt that did not reach the end of its phases: what a failure, a cancel, a stop of the worker or a
// lost lease leads to.
import type { NewEvent } from "../domain/event.ts";
import {
	maxAttempts,
	type Operation,
	type PhaseRecord,
	retryDelayMs,
} from "../domain/operation.ts";
import { Failure, recordFailure } from "../failure.ts";
import type { Log } from "../log.ts";
import { translateDatabaseError } from "../store/db.ts";
import { appendEvents } from "../store/events.ts";
import {
	closeOperation,
	recordProgress,
	releaseLease,
} from "../store/leases.ts";
import {
	decideConsequence,
	type TroubledEnd,
	tellEnd,
} from "./automatic-rollback.ts";
import { endCancelled, lookAround } from "./cancelled.ts";
import type { Ownership } from "./claim.ts";
import { leaveUnsuccessful } from "./lifecycle.ts";
import { writeAsOwner } from "./record.ts";
import { explainRollOut } from "./roll-out.ts";
import { explainRotation } from "./secrets.ts";
import type { AttemptWatch } from "./watch-attempt.ts";
import { refuseIfCancelling } from "./watch-cancel.ts";
import type { Findings, Tools } from "./work.ts";

/** How an attempt ended, for the worker: final, or to be claimed again after a pause, or not ours any more. */
export type AttemptEnd = "final" | "postponed" | "lost";

export interface Attempt {
	readonly tools: Tools;
	readonly ownership: Ownership;
	/** Aborts when the worker shuts down: the operation is handed over, not failed. */
	readonly stopping: AbortSignal;
	readonly log: Log;
}

/** How far an attempt came, and what ended it. */
interface Broken {
	readonly phases: PhaseRecord[];
	readonly findings: Findings;
	readonly error: unknown;
	readonly watch: AttemptWatch;
}

/** What a failure leads to: nothing if the lease is lost, a pause if it may pass, otherwise the end. */
export async function endAttempt(
	attempt: Attempt,
	broken: Broken,
	flush: () => Promise<void>,
): Promise<AttemptEnd> {
	const { ownership, log } = attempt;
	const { error } = broken;
	const { operation, lost } = ownership;
	if (lost.aborted || isCode(error, "lease_lost")) {
		log.warn(
			{ operation: operation.id },
			"the lease was lost; another worker goes on",
		);
		return "lost";
	}
	const cause = translateDatabaseError(error);
	if (!(cause instanceof Failure)) {
		log.error(
			{ err: cause, operation: operation.id },
			"an attempt failed unexpectedly",
		);
	}
	try {
		// Events of the failed phase first: they say why. One that cannot be written must not hide the end.
		await flush().catch((failure: unknown) => {
			if (isCode(failure, "lease_lost")) throw failure;
			log.error(
				{ err: failure, operation: operation.id },
				"events were not written",
			);
		});
		return await settle(attempt, broken, cause);
	} catch (failure) {
		if (!isCode(failure, "lease_lost")) throw failure;
		return "lost";
	}
}

/** Whatever ended the attempt: if somebody has cancelled the operation by now, it ends as cancelled. */
async function settle(
	attempt: Attempt,
	broken: Broken,
	cause: unknown,
): Promise<AttemptEnd> {
	const { tools, ownership, stopping, log } = attempt;
	const { phases, findings, watch } = broken;
	try {
		await writeAsOwner(tools.db, ownership, ownership, (trx) =>
			refuseIfCancelling(trx, ownership.lease),
		);
		if (stopping.aborted) return await handOver(attempt);
		if (mayTryAgain(cause, ownership.operation.attempt))
			return await postpone(attempt, cause);
		return await fail(attempt, broken, cause);
	} catch (failure) {
		if (!isCode(failure, "cancelled")) throw failure;
		await endCancelled({ tools, ownership, log, phases, findings });
		watch.endOperation("cancelled");
		return "final";
	}
}

const isCode = (error: unknown, code: Failure["code"]) =>
	error instanceof Failure && error.code === code;

const mayTryAgain = (cause: unknown, attempt: number): cause is Failure =>
	cause instanceof Failure && cause.retryable && attempt < maxAttempts;

/** The worker stops: the next one goes on at once, and it does not count as a failed attempt. */
async function handOver({ tools, ownership }: Attempt): Promise<AttemptEnd> {
	const { operation, lost, lease } = ownership;
	await writeAsOwner(tools.db, ownership, { lost }, async (trx) => {
		await appendEvents(
			trx,
			{ environment: operation.environment, operation: operation.id },
			[
				{
					type: "operation.handed_over",
					data: { attempt: operation.attempt },
				},
			],
		);
		await releaseLease(trx, lease, { delayMs: 0, countsAsAttempt: false });
	});
	return "postponed";
}

async function postpone(
	{ tools, ownership }: Attempt,
	cause: Failure,
): Promise<AttemptEnd> {
	const { operation, lease, lost } = ownership;
	const delayMs = retryDelayMs(operation.attempt);
	await writeAsOwner(tools.db, ownership, { lost }, async (trx) => {
		await refuseIfCancelling(trx, lease);
		await appendEvents(
			trx,
			{ environment: operation.environment, operation: operation.id },
			[
				{
					type: "operation.postponed",
					data: {
						attempt: operation.attempt,
						retryInMs: delayMs,
						error: recordFailure(cause),
					},
				},
			],
		);
		await releaseLease(trx, lease, { delayMs, countsAsAttempt: true });
	});
	return "postponed";
}

async function fail(
	{ tools, ownership, log }: Attempt,
	{ phases, findings, watch }: Broken,
	cause: unknown,
): Promise<AttemptEnd> {
	const { operation, lease, lost } = ownership;
	const last = phases.at(-1);
	// What may pass was tried as often as is allowed: a person decides how it goes on.
	const isStalled = cause instanceof Failure && cause.retryable;
	const told = explainRotation(
		operation,
		last?.name,
		explainRollOut(operation, last?.name, cause),
	);
	const error = recordFailure(
		isStalled && told instanceof Failure
			? explainStall(operation, told, last)
			: told,
	);
	const state: TroubledEnd = isStalled
		? "stalled"
		: error.code === "timed_out"
			? "timed_out"
			: "failed";
	const exists = isStalled
		? await lookAround({ tools, ownership, log, phases, findings })
		: null;
	const events: NewEvent[] = [];
	if (last !== undefined) {
		phases[phases.length - 1] = endPhase(phases, "failed");
		events.push({
			type: "phase.failed",
			data: {
				phase: last.name,
				durationMs: Date.now() - Date.parse(last.startedAt),
				error,
			},
		});
	}
	await writeAsOwner(tools.db, ownership, { lost }, async (trx) => {
		await refuseIfCancelling(trx, lease);
		const context = { db: trx, sealKey: tools.sealKey };
		const consequence = await decideConsequence(context, operation, state);
		const end = tellEnd(operation, { state, error }, consequence);
		if (last !== undefined) {
			await recordProgress(trx, lease, { phase: last.name, phases });
		}
		await closeOperation(trx, lease, { state, error: end.error, exists });
		await leaveUnsuccessful(trx, operation);
		await appendEvents(
			trx,
			{ environment: operation.environment, operation: operation.id },
			[...events, end.event],
		);
		await consequence?.carryOut();
	});
	watch.endOperation(state);
	return "final";
}

/** The last attempt's failure, with what a person can do now. */
function explainStall(
	{ attempt }: Operation,
	cause: Failure,
	phase: PhaseRecord | undefined,
): Failure {
	const where = phase === undefined ? "" : ` in the phase ${phase.name}`;
	return new Failure({
		code: cause.code,
		message: `The service gave up after ${attempt} attempts. The last one ended${where}: ${cause.message}`,
		untouched: cause.untouched ?? "What was made so far is still there.",
		advice: `${cause.advice ?? "Remove the cause that the message names."} Then POST /v1/operations/{id}:retry goes on from there; destroying the environment cleans up.`,
		retryable: true,
		cause,
	});
}

/** The last of these phases with its end. */
export function endPhase(
	phases: readonly PhaseRecord[],
	state: "succeeded" | "failed",
): PhaseRecord {
	const last = phases.at(-1);
	if (last === undefined) throw new Error("no phase has begun");
	return { ...last, state, finishedAt: new Date().toISOString() };
}
