import {
	type Backup,
	type BackupRequest,
	type ClusterHooks,
	databasesUntouched,
	type RestoreRequest,
	restoreCronJob,
} from "../domain/cluster.ts";
import { backupJobName } from "../domain/names.ts";
import { Failure } from "../failure.ts";
import { parseMessage, presentSilence } from "./backup.ts";
import type { Client } from "./client.ts";
import { deleteJob, type JobEnding, runTemplateJob } from "./template-job.ts";

export type Restored = Pick<Backup, "name" | "takenAt" | "bytes" | "parts">;

/** See `Cluster.restore`. Begun twice with the same run, it takes over the Job of the first time. */
export async function restore(
	client: Client,
	request: RestoreRequest,
	hooks: ClusterHooks,
): Promise<Restored> {
	const { namespace, run, backup, before, allowOtherVersion, dryRun } = request;
	const ending = await runTemplateJob(
		client,
		{
			namespace,
			kind: "restore",
			cronJob: restoreCronJob,
			name: backupJobName("restore", run),
			variables: {
				BACKUP: backup,
				...(before === undefined ? {} : { BEFORE: before }),
				...(allowOtherVersion ? { ALLOW_OTHER_VERSION: "true" } : {}),
				// mongorestore reads what it would restore, asks the server, and leaves it at that.
				...(dryRun ? { RESTORE_OPTIONS: "--dryRun" } : {}),
			},
		},
		hooks,
	);
	return decideRestore(request, ending);
}

const untouched = databasesUntouched;

/** See `Cluster.endRestore`. */
export const endRestore = (
	client: Client,
	{ namespace, run }: BackupRequest,
	signal: AbortSignal,
): Promise<void> =>
	deleteJob(client, {
		namespace,
		name: backupJobName("restore", run),
		signal,
	});

/** What the Job's last words say. Pure. Throws as `Cluster.restore` does. */
export function decideRestore(
	{ namespace, backup }: Pick<RestoreRequest, "namespace" | "backup">,
	ending: JobEnding,
): Restored {
	const { name, takenAt, bytes, parts, reason, error } = parseMessage(
		ending.message,
	);
	if (
		ending.exitCode === 0 &&
		typeof name === "string" &&
		typeof takenAt === "string" &&
		typeof bytes === "number" &&
		typeof parts === "number"
	) {
		return { name, takenAt, bytes, parts };
	}
	const message = typeof error === "string" ? error : undefined;
	switch (reason) {
		case "missing":
			throw new Failure({
				code: "not_found",
				message: message ?? `There is no backup ${backup}.`,
				untouched,
				advice: "List the environment's backups, and name one of them.",
			});
		case "other_version":
			throw new Failure({
				code: "conflict",
				message: message ?? `The backup ${backup} is of another version.`,
				untouched,
				advice:
					"Restore it into an environment of its own version, or allow another version in the order.",
			});
		case "damaged":
			throw new Failure({
				code: "backup_failed",
				message: message ?? `The backup ${backup} is damaged.`,
				untouched,
				advice: "Restore an earlier backup.",
			});
		default:
			throw new Failure({
				code: "backup_failed",
				message: `Restoring ${backup} in namespace ${namespace} failed: ${message ?? presentSilence(ending)}.`,
				untouched:
					"The backup is as it was. The databases may hold a part of it.",
				advice: `Read what the Job wrote (kubectl -n ${namespace} logs -l impresario.dev/job=restore --tail=50), and order the restore again: it begins anew.`,
			});
	}
}
