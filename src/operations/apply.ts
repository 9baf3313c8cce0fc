// The one thing a worker knows: bring an environment to a revision. The phases in their order, each with
// its deadline, and what a failure in each leads to.
//
// It may run twice for the same operation, also half-way: a process can die on any line of it, and the
// next owner begins at the first phase again. So no phase may do what cannot be done twice.
import type { NewEvent } from "../domain/event.ts";
import {
	type FinalState,
	maxAttempts,
	type Operation,
	type PhaseName,
	type PhaseRecord,
	phaseDeadlinesMs,
	phasesOf,
	retryDelayMs,
} from "../domain/operation.ts";
import { Failure, recordFailure } from "../failure.ts";
import type { Log } from "../log.ts";
import { type Db, translateDatabaseError } from "../store/db.ts";
import { lockEnvironment, updateEnvironment } from "../store/environments.ts";
import { appendEvents } from "../store/events.ts";
import {
	closeOperation,
	recordProgress,
	releaseLease,
} from "../store/leases.ts";
import { endCancelled, lookAround } from "./cancelled.ts";
import type { Ownership } from "./claim.ts";
import { applyProgram } from "./phases/applying.ts";
import { finish } from "./phases/finishing.ts";
import { prepare } from "./phases/preparing.ts";
import { verify } from "./phases/verifying.ts";
import { waitForCluster } from "./phases/waiting.ts";
import { makeRecorder, writeAsOwner } from "./record.ts";
import { refuseIfCancelling, watchCancel } from "./watch-cancel.ts";
import type { Findings, Tools, Work } from "./work.ts";

/** How an attempt ended, for the worker: final, or to be claimed again after a pause, or not ours any more. */
export type AttemptEnd = "final" | "postponed" | "lost";

const runPhase: Record<
	Exclude<PhaseName, "finishing">,
	(work: Work) => Promise<void>
> = {
	preparing: prepare,
	applying: applyProgram,
	waiting: waitForCluster,
	verifying: verify,
};

export interface Attempt {
	readonly tools: Tools;
	readonly ownership: Ownership;
	/** Aborts when the worker shuts down: the operation is handed over, not failed. */
	readonly stopping: AbortSignal;
	readonly log: Log;
}

/** Never throws for what goes wrong with the operation: that becomes the operation's own end. */
export async function apply(attempt: Attempt): Promise<AttemptEnd> {
	const { tools, ownership, log } = attempt;
	const { operation, lost } = ownership;
	const recorder = makeRecorder(tools.db, ownership, { lost });
	const findings: Findings = {};
	const phases: PhaseRecord[] = [];
	const cancel = watchCancel(tools.db, ownership);
	try {
		recorder.record(
			operation.attempt === 1
				? {
						type: "operation.started",
						data: { kind: operation.kind, attempt: operation.attempt },
					}
				: {
						type: "operation.recovered",
						data: {
							attempt: operation.attempt,
							reason: "The attempt before did not come to an end.",
						},
					},
		);
		for (const name of phasesOf[operation.kind]) {
			cancel.requested.throwIfAborted();
			const startedAt = performance.now();
			phases.push(beginPhase(name));
			await recorder.progress(
				{ type: "phase.started", data: { phase: name } },
				{ phase: name, phases },
			);
			const signal = AbortSignal.any([
				lost,
				attempt.stopping,
				cancel.requested,
				AbortSignal.timeout(phaseDeadlinesMs[name]),
			]);
			const work: Work = {
				tools,
				operation,
				lease: ownership.lease,
				signal,
				record: recorder.record,
				findings,
			};
			if (name !== "finishing") await runPhase[name](work);
			await recorder.flush();
			phases[phases.length - 1] = endPhase(phases, "succeeded");
			const succeeded: NewEvent = {
				type: "phase.succeeded",
				data: {
					phase: name,
					durationMs: Math.round(performance.now() - startedAt),
				},
			};
			if (name === "finishing") {
				await writeAsOwner(tools.db, ownership, { lost }, async (trx) => {
					await refuseIfCancelling(trx, ownership.lease);
					await finish(trx, work, { events: [succeeded], phases });
				});
			} else {
				await recorder.progress(succeeded, {
					phase: name,
					phases,
					...(findings.changes && { changes: findings.changes }),
				});
			}
		}
		return "final";
	} catch (error) {
		return await end(attempt, { phases, findings, error }, () =>
			recorder.flush(),
		);
	} finally {
		cancel.stop();
		ownership.stop();
		await findings.cluster?.close().catch((error: unknown) => {
			log.warn({ err: error }, "a cluster client did not close");
		});
	}
}

const beginPhase = (name: PhaseName): PhaseRecord => ({
	name,
	state: "running",
	startedAt: new Date().toISOString(),
	finishedAt: null,
});

function endPhase(
	phases: readonly PhaseRecord[],
	state: "succeeded" | "failed",
): PhaseRecord {
	const last = phases.at(-1);
	if (last === undefined) throw new Error("no phase has begun");
	return { ...last, state, finishedAt: new Date().toISOString() };
}

/** How far an attempt came, and what ended it. */
interface Broken {
	readonly phases: PhaseRecord[];
	readonly findings: Findings;
	readonly error: unknown;
}

/** What a failure leads to: nothing if the lease is lost, a pause if it may pass, otherwise the end. */
async function end(
	attempt: Attempt,
	broken: Broken,
	flush: () => Promise<void>,
): Promise<AttemptEnd> {
	const { ownership, log } = attempt;
	const { phases, error } = broken;
	const { operation, lost } = ownership;
	if (lost.aborted || isCode(error, "lease_lost")) {
		log.warn(
			{ operation: operation.id },
			"the lease was lost; another worker goes on",
		);
		return "lost";
	}
	const cause = explain(translateDatabaseError(error), phases.at(-1));
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
	const { phases, findings } = broken;
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
		return "final";
	}
}

const isCode = (error: unknown, code: Failure["code"]) =>
	error instanceof Failure && error.code === code;

/** A phase that was cut off by its deadline says "cancelled"; what it means is that it took too long. */
function explain(error: unknown, phase: PhaseRecord | undefined): unknown {
	if (phase === undefined || !isCode(error, "cancelled")) return error;
	const deadlineMs = phaseDeadlinesMs[phase.name];
	if (Date.now() - Date.parse(phase.startedAt) < deadlineMs) return error;
	return new Failure({
		code: "timed_out",
		message: `The phase ${phase.name} took longer than ${deadlineMs / 60_000} minutes. ${(error as Failure).message}`,
		untouched: "What was made so far is still there.",
		advice:
			"Look at the events for what it waited for. Destroying the environment cleans up.",
		cause: error,
	});
}

const mayTryAgain = (cause: unknown, attempt: number): cause is Failure =>
	cause instanceof Failure && cause.retryable && attempt < maxAttempts;

/** The worker stops: the next one goes on at once, and it does not count as a failed attempt. */
async function handOver({ tools, ownership }: Attempt): Promise<AttemptEnd> {
	const { lost, lease } = ownership;
	await writeAsOwner(tools.db, ownership, { lost }, (trx) =>
		releaseLease(trx, lease, { delayMs: 0, countsAsAttempt: false }),
	);
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
	{ phases, findings }: Broken,
	cause: unknown,
): Promise<AttemptEnd> {
	const { operation, lease, lost } = ownership;
	const last = phases.at(-1);
	// What may pass was tried as often as is allowed: a person decides how it goes on.
	const isStalled = cause instanceof Failure && cause.retryable;
	const error = recordFailure(
		isStalled ? explainStall(operation, cause, last) : cause,
	);
	const state: FinalState = isStalled
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
	events.push({
		type: `operation.${state}`,
		data: { kind: operation.kind, error },
	});
	await writeAsOwner(tools.db, ownership, { lost }, async (trx) => {
		await refuseIfCancelling(trx, lease);
		if (last !== undefined) {
			await recordProgress(trx, lease, { phase: last.name, phases });
		}
		await closeOperation(trx, lease, { state, error, exists });
		await markFailed(trx, ownership);
		await appendEvents(
			trx,
			{ environment: operation.environment, operation: operation.id },
			events,
		);
	});
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

async function markFailed(trx: Db, { operation }: Ownership): Promise<void> {
	const environment = await lockEnvironment(trx, operation.environment);
	// A destroy that was ordered meanwhile comes next and keeps its word.
	if (environment.lifecycle === "destroying" && operation.kind !== "destroy") {
		return;
	}
	await updateEnvironment(trx, environment.id, {
		lifecycle: "failed",
		health: "unknown",
	});
}
