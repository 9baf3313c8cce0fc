import {
	type Backup,
	type BackupRequest,
	backupCronJob,
	type ClusterHooks,
} from "../domain/cluster.ts";
import { backupJobName } from "../domain/names.ts";
import { Failure } from "../failure.ts";
import type { Client } from "./client.ts";
import { type JobEnding, runTemplateJob } from "./template-job.ts";

/** See `Cluster.backUp`. Begun twice with the same run, it takes over the Job of the first time. */
export async function backUp(
	client: Client,
	{ namespace, run }: BackupRequest,
	hooks: ClusterHooks,
): Promise<Backup> {
	const ending = await runTemplateJob(
		client,
		{
			namespace,
			kind: "backup",
			cronJob: backupCronJob,
			name: backupJobName("backup", run),
			variables: {},
		},
		hooks,
	);
	return decideBackup(namespace, ending);
}

/** What the Job's last words say of the backup that it made. Pure. Throws `backup_failed`. */
export function decideBackup(namespace: string, ending: JobEnding): Backup {
	const told = parseMessage(ending.message);
	if (ending.exitCode !== 0) throw makeBackupFailure(namespace, ending, told);
	const { name, takenAt, bytes, parts, oplog, sha256 } = told;
	if (
		typeof name !== "string" ||
		typeof takenAt !== "string" ||
		typeof bytes !== "number" ||
		typeof parts !== "number" ||
		typeof oplog !== "boolean" ||
		typeof sha256 !== "string"
	) {
		throw makeBackupFailure(namespace, ending, told);
	}
	return { name, takenAt, bytes, parts, oplog, sha256 };
}

/** The termination message's JSON; nothing if it is none. */
export function parseMessage(message: string): Record<string, unknown> {
	try {
		const parsed: unknown = JSON.parse(message);
		return typeof parsed === "object" && parsed !== null
			? (parsed as Record<string, unknown>)
			: {};
	} catch {
		return {};
	}
}

function makeBackupFailure(
	namespace: string,
	ending: JobEnding,
	{ error }: Record<string, unknown>,
): Failure {
	return new Failure({
		code: "backup_failed",
		message: `The backup of namespace ${namespace} failed: ${typeof error === "string" ? error : presentSilence(ending)}.`,
		untouched:
			"Earlier backups are still there, and the databases were only read.",
		advice: `Read what the Job wrote: kubectl -n ${namespace} logs -l impresario.dev/job=backup --tail=50`,
	});
}

/** For a Job that has left no words of its own. */
export const presentSilence = ({ exitCode, reason }: JobEnding): string =>
	`its Job ended with ${exitCode === -1 ? "" : `exit code ${exitCode}, `}reason ${reason ?? "unknown"}, and left no result`;
