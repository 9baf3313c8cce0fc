// Brings the backup that a new environment begins with from the bucket of its own environment into the new one's, whose
// user may read no other.
import { storageName } from "../../domain/names.ts";
import { Failure } from "../../failure.ts";
import { take, type Work } from "../work.ts";
import { loadOrderedBackup } from "./checking.ts";

/** Copied again, the objects are the same. Throws `not_found` when the backup is gone, and what AWS refuses. */
export async function copyBackup(work: Work): Promise<void> {
	const { tools, operation, signal, record } = work;
	const { id, name, environment } = await loadOrderedBackup(work);
	const access = take(work, "run").input.target.aws;
	if (!access) throw makeGone(name, "the target has no access to AWS any more");
	const cloud = await tools.connectCloud(access);
	try {
		const objects = await cloud.copyFolder(
			{
				from: storageName(environment, "backups"),
				to: storageName(operation.environment, "backups"),
				folder: name,
				// Without it there is no backup, so nobody finds half of one.
				last: "manifest.json",
			},
			signal,
		);
		if (objects === 0) throw makeGone(name, "its bucket does not hold it");
		record({ type: "backup.copied", data: { backup: id, name, objects } });
	} finally {
		cloud.close();
	}
}

const makeGone = (name: string, reason: string): Failure =>
	new Failure({
		code: "not_found",
		message: `The backup ${name} is gone: ${reason}.`,
		untouched:
			"The environment that it was of is as it was. The new one has its data stores, and nothing in them.",
		advice: "Destroy the new environment, and make the copy of another backup.",
	});
