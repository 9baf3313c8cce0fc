// Where an environment's backups are.
import { bucketType } from "../domain/aws.ts";
import type { BackupPlace } from "../domain/backup.ts";
import { storageName } from "../domain/names.ts";
import { take, type Work } from "./work.ts";

/**
 * By what was applied, not by what is wished for: a target may have got its AWS account since. To be asked when no run
 * of the engine goes on.
 */
export async function findBackupPlace(work: Work): Promise<BackupPlace> {
	const { tools, operation } = work;
	const run = take(work, "run");
	if (run.input.target.aws === null) return "claim";
	const bucket = storageName(operation.environment, "backups");
	const { resources } = await tools.engineState.read(run);
	return resources.some(({ type, id }) => type === bucketType && id === bucket)
		? "bucket"
		: "claim";
}
