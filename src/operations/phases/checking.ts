// Looks whether a backup is there, whole and of a version that fits, while everything runs: what is refused here has
// cost nobody anything.
import { decideRun } from "../../domain/backup.ts";
import { loadBackup } from "../../store/backups.ts";
import { take, type Work } from "../work.ts";

/**
 * Runs the restore's own Job without its last step. Throws `not_found`, `conflict` and `backup_failed` as
 * `Cluster.restore` does.
 */
export async function checkBackup(work: Work): Promise<void> {
	const { operation, signal, record } = work;
	const { id, name } = await loadOrderedBackup(work);
	const { namespace } = take(work, "environment");
	const { bytes, parts } = await take(work, "cluster").restore(
		{
			namespace,
			run: `${decideRun(operation.id)}-check`,
			backup: name,
			allowOtherVersion: takesOtherVersion(work),
			dryRun: true,
		},
		{ signal, onEvent: record },
	);
	record({ type: "backup.checked", data: { backup: id, name, bytes, parts } });
}

/** The backup that the order names. */
export function loadOrderedBackup({ tools, operation }: Work) {
	const { fromBackup } = operation.options;
	if (fromBackup === undefined) {
		throw new Error(`${operation.id} names no backup`);
	}
	return loadBackup(tools.db, fromBackup);
}

/** A rollback goes on to the program that made the backup, whatever runs when it is restored. */
export const takesOtherVersion = ({ operation }: Work): boolean =>
	operation.options.data === "restore" ||
	operation.options.allowOtherVersion === true;
