// Makes a backup of the databases and keeps its record, before anything is touched.
import { decideReason, decideRun } from "../../domain/backup.ts";
import type { Backup } from "../../domain/cluster.ts";
import type { Operation } from "../../domain/operation.ts";
import { Failure } from "../../failure.ts";
import { findBackupBy, recordBackup } from "../../store/backups.ts";
import { appendEvents } from "../../store/events.ts";
import { loadBegunRevision } from "../../store/revisions.ts";
import { findBackupPlace } from "../backup-place.ts";
import { refuseIfCancelling } from "../watch-cancel.ts";
import { take, type Work } from "../work.ts";

/**
 * An operation makes one, however often it is begun: the Job is named after it, and what is recorded is not made
 * again. Throws `backup_failed` when the databases cannot be backed up.
 */
export async function backUp(work: Work): Promise<void> {
	const { tools, operation } = work;
	const { environment } = operation;
	if ((await findBackupBy(tools.db, operation.id)) !== undefined) return;
	const startedAt = performance.now();
	const made = await runBackup(work);
	const durationMs = Math.round(performance.now() - startedAt);
	const kept = await findBackupPlace(work);
	const revision = await loadBegunRevision(tools.db, environment);
	await work.write(async (trx) => {
		await refuseIfCancelling(trx, work.lease);
		const backup = await recordBackup(trx, {
			...made,
			environment,
			operation: operation.id,
			revision: revision.number,
			release: revision.release.name,
			reason: decideReason(operation.kind),
			place: kept,
			takenAt: new Date(made.takenAt),
			retentionDays: revision.parameters.backups.retentionDays,
		});
		const { id, name, bytes, parts, expiresAt } = backup;
		await appendEvents(trx, { environment, operation: operation.id }, [
			{
				type: "backup.completed",
				data: {
					backup: id,
					name,
					revision: revision.number,
					bytes,
					parts,
					expiresAt: expiresAt.toISOString(),
					durationMs,
				},
			},
		]);
	});
}

async function runBackup(work: Work): Promise<Backup> {
	const { operation, signal, record } = work;
	const { namespace } = take(work, "environment");
	try {
		return await take(work, "cluster").backUp(
			{ namespace, run: decideRun(operation.id) },
			{ signal, onEvent: record },
		);
	} catch (error) {
		throw explain(error, operation);
	}
}

/** What asks for a backup before it goes on says that it did not go on, and how it can without one. */
function explain(error: unknown, { kind }: Operation): unknown {
	if (!(error instanceof Failure) || kind === "backup") return error;
	if (error.retryable || error.code === "cancelled") return error;
	const option = kind === "restore" ? "backupFirst" : "backup";
	return new Failure({
		code: "backup_failed",
		message: `The ${kind} did not begin, because there is no backup from just before it. ${error.message}`,
		untouched:
			"Nothing of the environment was changed. Earlier backups are still there.",
		advice:
			`${error.advice ?? ""} Order it again when the reason is gone, or with "${option}": "skip" to go on without a backup.`.trim(),
		cause: error,
	});
}
