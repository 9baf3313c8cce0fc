// What an environment's lifecycle is after an operation, where others may wait in line behind it.
import {
	type Environment,
	type Lifecycle,
	lifecycleWithout,
} from "../domain/environment.ts";
import type { Db } from "../store/db.ts";
import { findNextQueued } from "../store/operations.ts";
import { findLastBegun } from "../store/wishes.ts";

/** After the end of a begun operation: an order that waits its turn has said already what comes, and keeps its word. */
export async function decideLifecycle(
	trx: Db,
	{ id, lifecycle }: Environment,
	end: Lifecycle,
): Promise<Lifecycle> {
	return (await findNextQueued(trx, id)) === undefined ? end : lifecycle;
}

/** After the end of an operation that nobody had begun: what the last one that was begun has made of it, or makes of it now. */
export async function restoreLifecycle(
	trx: Db,
	environment: Environment,
): Promise<Lifecycle> {
	const lastBegun = await findLastBegun(trx, environment.id);
	return decideLifecycle(trx, environment, lifecycleWithout(lastBegun));
}
