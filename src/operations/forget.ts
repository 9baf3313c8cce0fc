// Throws away what is kept for a while only.
import type { Log } from "../log.ts";
import type { Db } from "../store/db.ts";
import { forgetDeliveries } from "../store/delivery-log.ts";

/** So many rows at a time: a statement that goes on for long holds others up. */
const batch = 5_000;

export interface ForgetContext {
	readonly db: Db;
	readonly log: Log;
}

/** One pass. Any number may run at once. */
export async function forget({ db }: ForgetContext): Promise<void> {
	while ((await forgetDeliveries(db, batch)) === batch);
}
