// What an environment's lifecycle is after an operation, where others may wait in line behind it.
import type { Environment, Lifecycle } from "../domain/environment.ts";
import type { Db } from "../store/db.ts";
import {
	findLastEnd,
	findNextQueued,
	listCurrentOperations,
} from "../store/operations.ts";

/** After the end of a begun operation: an order that waits its turn has said already what comes, and keeps its word. */
export async function decideLifecycle(
	trx: Db,
	{ id, lifecycle }: Environment,
	end: Lifecycle,
): Promise<Lifecycle> {
	return (await findNextQueued(trx, id)) === undefined ? end : lifecycle;
}

/** After the end of an operation that nobody had begun: what it was before that was ordered. */
export async function restoreLifecycle(
	trx: Db,
	{ id, lifecycle }: Environment,
): Promise<Lifecycle> {
	if ((await listCurrentOperations(trx, [id])).size > 0) return lifecycle;
	return (await findLastEnd(trx, id)) === "succeeded" ? "ready" : "failed";
}
