// Whether this process has the seal key that the data was sealed with: found out at its start, and not by the first
// operation that cannot open a secret.
import { Failure } from "../failure.ts";
import { open, type SealKey, seal } from "../seal.ts";
import type { Db } from "../store/db.ts";
import { findKept, keepOnce } from "../store/installation.ts";
import { findSealedTarget } from "../store/targets.ts";
import { targetPlace } from "./target.ts";

const name = "seal-check";
const place = `installation/${name}`;

interface Context {
	readonly db: Db;
	readonly sealKey: SealKey;
}

/**
 * Keeps a value sealed with this key, if there is none yet. Throws `not_set_up` when the data is another key's, also
 * in a database from before there was such a value.
 */
export async function ensureSealCheck(context: Context): Promise<void> {
	const { db, sealKey } = context;
	if ((await findKept(db, name)) === undefined) {
		// What was sealed before must not come to belong to whichever key happens to be here now.
		const older = await findSealedTarget(db);
		if (older !== undefined) {
			check(sealKey, targetPlace(older.name), older.kubeconfig);
		}
	}
	check(sealKey, place, await keepOnce(db, name, seal(sealKey, place, name)));
}

/** Throws `not_set_up` when the data is another key's, or when `migrate` never came to its end. */
export async function requireSealCheck({
	db,
	sealKey,
}: Context): Promise<void> {
	const kept = await findKept(db, name);
	if (kept === undefined) {
		throw new Failure({
			code: "not_set_up",
			message:
				"The database was never made ready by a process with a seal key.",
			untouched: "Nothing was started.",
			advice: "Run the role `migrate` (or `serve`) once against this database.",
		});
	}
	check(sealKey, place, kept);
}

function check(sealKey: SealKey, where: string, sealed: Buffer): void {
	try {
		open(sealKey, where, sealed);
	} catch (cause) {
		throw new Failure({
			code: "not_set_up",
			message:
				"This process has another seal key than the one that the database's secrets are sealed with.",
			untouched: "Nothing was started, and nothing was sealed with this key.",
			advice:
				"Start it with that key: SEAL_KEY, or the seal-key file of the DATA_DIR of the process that was there first.",
			cause,
		});
	}
}
