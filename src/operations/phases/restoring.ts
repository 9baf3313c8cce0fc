// Puts a backup in place of what the databases hold. The processes that write are stopped by now.
//
// The row says when the databases may hold a part of the backup, and when they hold all of it: what was restored once
// is not restored again by whoever takes the operation over, since somebody may have written meanwhile.
import { decideRun } from "../../domain/backup.ts";
import { databasesUntouched } from "../../domain/cluster.ts";
import { Failure } from "../../failure.ts";
import { findBackupBy } from "../../store/backups.ts";
import { appendEvents } from "../../store/events.ts";
import { recordRestore } from "../../store/leases.ts";
import { refuseIfCancelling } from "../watch-cancel.ts";
import { take, type Work } from "../work.ts";
import { loadOrderedBackup, takesOtherVersion } from "./checking.ts";

/** How long it may take to end a restore that is not wished for any more, in milliseconds. */
const endingMs = 60_000;

/** Throws as `Cluster.restore` does. After a failure that will not pass nothing of the restore goes on. */
export async function restoreBackup(work: Work): Promise<void> {
	const { operation, record } = work;
	const { environment } = operation;
	const { id, name, takenAt, revision } = await loadOrderedBackup(work);
	const { namespace } = take(work, "environment");
	const before = await findBackupBy(work.tools.db, operation.id);
	const request = { namespace, run: decideRun(operation.id) };
	await work.write(async (trx) => {
		await refuseIfCancelling(trx, work.lease);
		await recordRestore(trx, work.lease, "begun");
	});
	const startedAt = performance.now();
	try {
		await take(work, "cluster").restore(
			{
				...request,
				backup: name,
				before: before?.name,
				allowOtherVersion: takesOtherVersion(work),
			},
			{ signal: work.signal, onEvent: record },
		);
	} catch (error) {
		throw await endRestore(work, request, error);
	}
	const durationMs = Math.round(performance.now() - startedAt);
	await work.write(async (trx) => {
		await recordRestore(trx, work.lease, "done");
		await appendEvents(trx, { environment, operation: operation.id }, [
			{
				type: "backup.restored",
				data: {
					backup: id,
					name,
					revision,
					takenAt: takenAt.toISOString(),
					durationMs,
				},
			},
		]);
	});
}

/**
 * The Job outlives its watcher, and one that starts late would write under processes that run again. It is left to
 * whoever goes on with the operation where somebody does. Returns what the error comes to.
 */
async function endRestore(
	work: Work,
	request: { readonly namespace: string; readonly run: string },
	error: unknown,
): Promise<unknown> {
	if (!isFinal(work.signal, error)) return error;
	await take(work, "cluster").endRestore(request, {
		signal: AbortSignal.timeout(endingMs),
	});
	if (!(error instanceof Failure) || error.untouched !== databasesUntouched)
		return error;
	await work.write((trx) => recordRestore(trx, work.lease, "untouched"));
	// A new environment has nothing that could go on.
	if (work.operation.kind === "create") return error;
	return new Failure({
		code: error.code,
		message: error.message,
		untouched: error.untouched,
		advice:
			`${error.advice ?? ""} What was stopped is started again, on the data that are there.`.trim(),
		cause: error,
	});
}

/** Whether the operation ends by this error: by a failure that will not pass, its deadline, or a person's wish. */
function isFinal(signal: AbortSignal, error: unknown): boolean {
	if (!signal.aborted) return error instanceof Failure && !error.retryable;
	const { reason } = signal;
	return reason instanceof Failure
		? reason.code === "cancelled"
		: reason instanceof Error && reason.name === "TimeoutError";
}
