// The one thing a worker knows: bring an environment to a revision. The phases in their order, each with
// its deadline, and what a failure in each leads to.
//
// It may run twice for the same operation, also half-way: a process can die on any line of it, and the
// next owner begins at the first phase again. So no phase may do what cannot be done twice.
import type { NewEvent } from "../domain/event.ts";
import {
	type FinalState,
	maxAttempts,
	type PhaseName,
	type PhaseRecord,
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
import type { Ownership } from "./claim.ts";
import { type Deadline, startDeadline } from "./deadline.ts";
import { decideLifecycle } from "./lifecycle.ts";
import { applyProgram } from "./phases/applying.ts";
import { finish } from "./phases/finishing.ts";
import { prepare } from "./phases/preparing.ts";
import { verify } from "./phases/verifying.ts";
import { waitForCluster } from "./phases/waiting.ts";
import { makeRecorder, writeAsOwner } from "./record.ts";
import { explainUpgrade } from "./roll-out.ts";
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
	let deadline: Deadline | undefined;
	try {
		recorder.record(
			ownership.isFirstClaim
				? {
						type: "operation.started",
						data: { kind: operation.kind, attempt: operation.attempt },
					}
				: {
						type: "operation.recovered",
						data: {
							attempt: operation.attempt,
							reason: "No worker before brought it to its end.",
						},
					},
		);
		for (const name of phasesOf[operation.kind]) {
			const startedAt = performance.now();
			deadline = startDeadline(name, ownership);
			phases.push(beginPhase(name));
			await recorder.progress(
				{ type: "phase.started", data: { phase: name } },
				{ phase: name, phases },
			);
			const signal = AbortSignal.any([lost, attempt.stopping, deadline.signal]);
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
				await writeAsOwner(tools.db, ownership, { lost }, (trx) =>
					finish(trx, work, { events: [succeeded], phases }),
				);
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
		const cause = deadline?.explain(error) ?? error;
		return await end(attempt, phases, cause, () => recorder.flush());
	} finally {
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

/** What a failure leads to: nothing if the lease is lost, a pause if it may pass, otherwise the end. */
async function end(
	attempt: Attempt,
	phases: PhaseRecord[],
	error: unknown,
	flush: () => Promise<void>,
): Promise<AttemptEnd> {
	const { ownership, stopping, log } = attempt;
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
		if (stopping.aborted) return await handOver(attempt);
		if (mayTryAgain(cause, operation.attempt))
			return await postpone(attempt, cause);
		return await fail(attempt, phases, cause);
	} catch (failure) {
		if (!isCode(failure, "lease_lost")) throw failure;
		return "lost";
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
	{ tools, ownership }: Attempt,
	phases: PhaseRecord[],
	cause: unknown,
): Promise<AttemptEnd> {
	const { operation, lease, lost } = ownership;
	const error = recordFailure(
		explainUpgrade(operation, phases.at(-1)?.name, cause),
	);
	const state: FinalState = error.code === "timed_out" ? "timed_out" : "failed";
	const last = phases.at(-1);
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
		if (last !== undefined) {
			await recordProgress(trx, lease, { phase: last.name, phases });
		}
		await closeOperation(trx, lease, { state, error });
		await markFailed(trx, ownership);
		await appendEvents(
			trx,
			{ environment: operation.environment, operation: operation.id },
			events,
		);
	});
	return "final";
}

async function markFailed(trx: Db, { operation }: Ownership): Promise<void> {
	const environment = await lockEnvironment(trx, operation.environment);
	await updateEnvironment(trx, environment.id, {
		lifecycle: await decideLifecycle(trx, environment, "failed"),
		health: "unknown",
	});
}
