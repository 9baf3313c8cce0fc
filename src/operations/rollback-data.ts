// The data that a rollback brings back: those from just before the environment left the revision it goes back to.
import type { KeptBackup } from "../domain/backup.ts";
import type { Environment } from "../domain/environment.ts";
import { knowsPower } from "../domain/power.ts";
import { Failure } from "../failure.ts";
import { findBackupBefore, listBackups } from "../store/backups.ts";
import type { Db } from "../store/db.ts";
import { loadBegunRevision } from "../store/revisions.ts";

/** How many of the backups that there are a refusal names. */
const named = 10;

/** Throws `conflict` when there is no such backup, or what runs cannot be kept from writing while it is restored. */
export async function findRollbackData(
	db: Db,
	{ id, blueprint }: Environment,
	revision: number,
): Promise<KeptBackup> {
	const { blueprintVersion } = await loadBegunRevision(db, id);
	if (!knowsPower(blueprintVersion)) {
		throw refuse(
			`It runs the blueprint ${blueprint}@${blueprintVersion}, which cannot be stopped part by part, so its data cannot be restored.`,
			'Upgrade it first, which brings it to the current version: POST /v1/environments/{id}:upgrade with {"parameters": {}} changes nothing else.',
		);
	}
	const backup = await findBackupBefore(db, id, revision);
	if (backup !== undefined) return backup;
	throw refuse(
		`There is no backup from when it left revision ${revision}. ${describe(await listBackups(db, id, { limit: named }))}`,
		'Go back with "data": "keep", or restore one of the backups with POST /v1/environments/{id}:restore.',
	);
}

function describe(backups: readonly KeptBackup[]): string {
	if (backups.length === 0) return "There is no backup of it at all.";
	const each = backups.map(
		({ id, revision, takenAt }) =>
			`${id} (of revision ${revision}, taken at ${takenAt.toISOString()})`,
	);
	return `There are ${each.join(", ")}.`;
}

const refuse = (message: string, advice: string): Failure =>
	new Failure({
		code: "conflict",
		message,
		untouched: "Nothing was ordered.",
		advice,
		errors: [{ pointer: "/data", message }],
	});
