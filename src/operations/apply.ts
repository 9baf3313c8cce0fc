// The one thing a worker knows: bring an environment to a revision. The phases in their order, each with
// its deadline.
//
// It may run twice for the same operation, also half-way: a process can die on any line of it, and the
// next owner begins at the first phase again. So no phase may do what cannot be done twice.
import type { NewEvent } from "../domain/event.ts";
import {
	listPhases,
	type OperationKind,
	type PhaseName,
	type PhaseRecord,
	repairPhases,
} from "../domain/operation.ts";
import { withTrace } from "../domain/trace.ts";
import { type Deadline, startDeadline } from "./deadline.ts";
import {
	type Attempt,
	type AttemptEnd,
	endAttempt,
	endPhase,
} from "./ending.ts";
import { applyProgram } from "./phases/applying.ts";
import { backUp } from "./phases/backing-up.ts";
import { checkBackup } from "./phases/checking.ts";
import { copyBackup } from "./phases/copying.ts";
import { finish } from "./phases/finishing.ts";
import { prepare } from "./phases/preparing.ts";
import { previewProgram } from "./phases/previewing.ts";
import { quiesce } from "./phases/quiescing.ts";
import { refresh } from "./phases/refreshing.ts";
import { restoreBackup } from "./phases/restoring.ts";
import { verify } from "./phases/verifying.ts";
import { waitForCluster } from "./phases/waiting.ts";
import { makeRecorder, writeAsOwner } from "./record.ts";
import { type AttemptWatch, watchAttempt } from "./watch-attempt.ts";
import { refuseIfCancelling, watchCancel } from "./watch-cancel.ts";
import type { Findings, Work } from "./work.ts";

const runPhase: Record<
	Exclude<PhaseName, "finishing">,
	(work: Work) => Promise<void>
> = {
	preparing: prepare,
	previewing: previewProgram,
	checking: checkBackup,
	backing_up: backUp,
	quiescing: quiesce,
	copying: copyBackup,
	restoring: restoreBackup,
	refreshing: refresh,
	applying: applyProgram,
	waiting: waitForCluster,
	verifying: verify,
};

/** Never throws for what goes wrong with the operation: that becomes the operation's own end. */
export async function apply(attempt: Attempt): Promise<AttemptEnd> {
	const watch = watchAttempt(attempt.ownership);
	let end: AttemptEnd = "lost";
	try {
		end = await withTrace(watch.trace, () => goThrough(attempt, watch));
		return end;
	} finally {
		watch.end(end);
	}
}

async function goThrough(
	attempt: Attempt,
	watch: AttemptWatch,
): Promise<AttemptEnd> {
	const { tools, ownership, log } = attempt;
	const { operation, lost } = ownership;
	const recorder = makeRecorder(tools.db, ownership, { lost });
	const findings: Findings = {};
	const phases: PhaseRecord[] = [];
	let deadline: Deadline | undefined;
	const cancel = watchCancel(tools.db, ownership);
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
		for (const name of listPhases(operation)) {
			cancel.requested.throwIfAborted();
			if (isNeedless(name, operation.kind, findings)) continue;
			const phase = watch.beginPhase(name);
			deadline = startDeadline(name, ownership);
			phases.push(beginPhase(name));
			await recorder.progress(
				{ type: "phase.started", data: { phase: name } },
				{ phase: name, phases },
			);
			const signal = AbortSignal.any([
				lost,
				attempt.stopping,
				cancel.requested,
				deadline.signal,
			]);
			const work: Work = {
				tools,
				operation,
				lease: ownership.lease,
				signal,
				record: recorder.record,
				write: (change) => writeAsOwner(tools.db, ownership, { lost }, change),
				findings,
				onStep: phase.onStep,
			};
			if (name !== "finishing")
				await withTrace(phase.trace, () => runPhase[name](work));
			await recorder.flush();
			phases[phases.length - 1] = endPhase(phases, "succeeded");
			const durationMs = watch.endPhase();
			const succeeded: NewEvent = {
				type: "phase.succeeded",
				data: { phase: name, durationMs },
			};
			if (name === "finishing") {
				await writeAsOwner(tools.db, ownership, { lost }, async (trx) => {
					await refuseIfCancelling(trx, ownership.lease);
					await finish(trx, work, { events: [succeeded], phases });
				});
				watch.endOperation("succeeded");
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
		return await endAttempt(
			attempt,
			{ phases, findings, error: cause, watch },
			() => recorder.flush(),
		);
	} finally {
		cancel.stop();
		ownership.stop();
		await findings.cluster?.close().catch((error: unknown) => {
			log.warn({ err: error }, "a cluster client did not close");
		});
	}
}

/** A repair of what does not differ is none. */
const isNeedless = (
	phase: PhaseName,
	kind: OperationKind,
	{ drift }: Findings,
): boolean =>
	kind === "refresh" && repairPhases.has(phase) && drift?.length === 0;

const beginPhase = (name: PhaseName): PhaseRecord => ({
	name,
	state: "running",
	startedAt: new Date().toISOString(),
	finishedAt: null,
});
