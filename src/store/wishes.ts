// What callers want of operations that are there already: an end before their time, or another try.
import { sql } from "kysely";
import { movesLifecycle, movingKinds } from "../domain/environment.ts";
import type { EnvironmentId, OperationId } from "../domain/ids.ts";
import {
	cancelDeadlinesMs,
	type Operation,
	operationKinds,
} from "../domain/operation.ts";
import type { Db } from "./db.ts";
import { toOperation } from "./operations.ts";

/**
 * Ends an operation that waits and that somebody does not want any more. Undefined when it does not wait any more. The caller
 * holds its environment.
 */
export async function cancelQueued(
	db: Db,
	id: OperationId,
	by: string,
): Promise<Operation | undefined> {
	const row = await db
		.updateTable("operations")
		.set({
			state: "cancelled",
			cancel_requested_by: by,
			cancel_requested_at: sql<Date>`now()`,
			existing: JSON.stringify([]),
			finished_at: sql<Date>`now()`,
		})
		.where("id", "=", id)
		.where("state", "in", ["queued", "awaiting_approval"])
		.returningAll()
		.executeTakeFirst();
	return row && toOperation(row);
}

/**
 * Writes the wish to cancel into the row of an operation that was begun, where every owner of it looks, also one that
 * comes after a crash. Undefined when it is too late: it has ended, or it is writing its end.
 */
export async function requestCancel(
	db: Db,
	id: OperationId,
	by: string,
): Promise<Operation | undefined> {
	const row = await db
		.updateTable("operations")
		.set({
			state: "cancelling",
			cancel_requested_by: by,
			cancel_requested_at: sql<Date>`now()`,
			// What waits for its next attempt need not wait any more.
			not_before: null,
			deadline_at: sql<Date>`now() + make_interval(secs => ${cancelDeadlinesMs.whole / 1000})`,
		})
		.where("id", "=", id)
		.where("state", "in", ["running", "recovering"])
		.where((eb) =>
			eb.or([eb("phase", "is", null), eb("phase", "<>", "finishing")]),
		)
		.returningAll()
		.executeTakeFirst();
	return row && toOperation(row);
}

/** Whether what would bring the environment to this revision is being cancelled. */
export async function isBeingCancelled(
	db: Db,
	environment: EnvironmentId,
	revision: number,
): Promise<boolean> {
	const row = await db
		.selectFrom("operations")
		.select("id")
		.where("environment_id", "=", environment)
		.where("revision_to", "=", revision)
		.where("kind", "in", movingKinds)
		.where("state", "=", "cancelling")
		.executeTakeFirst();
	return row !== undefined;
}

/**
 * The newest operation of an environment that a worker has begun, of those that move its lifecycle. One that ended
 * before it touched anything has left what was there before.
 */
export async function findLastBegun(
	db: Db,
	environment: EnvironmentId,
): Promise<Operation | undefined> {
	const row = await db
		.selectFrom("operations")
		.selectAll()
		.where("environment_id", "=", environment)
		.where("started_at", "is not", null)
		.where("kind", "in", movingKinds)
		.where((eb) =>
			eb.or([
				eb("is_touched", "=", true),
				eb("finished_at", "is", null),
				eb("state", "=", "succeeded"),
			]),
		)
		.orderBy("sequence", "desc")
		.limit(1)
		.executeTakeFirst();
	return row && toOperation(row);
}

/**
 * The newest operation behind this one in its environment, those aside that ended before they began. Behind one that
 * moves the lifecycle only such are followers: the others changed nothing of what it left.
 */
export async function findFollower(
	db: Db,
	operation: Pick<Operation, "id" | "environment" | "kind">,
): Promise<Operation | undefined> {
	const self = db
		.selectFrom("operations")
		.select("sequence")
		.where("id", "=", operation.id);
	const row = await db
		.selectFrom("operations")
		.selectAll()
		.where("environment_id", "=", operation.environment)
		.where("sequence", ">", self)
		.where(
			"kind",
			"in",
			movesLifecycle(operation.kind) ? movingKinds : operationKinds,
		)
		.where((eb) =>
			eb.or([
				eb("started_at", "is not", null),
				eb.and([
					eb("finished_at", "is", null),
					eb("state", "<>", "awaiting_approval"),
				]),
			]),
		)
		.orderBy("sequence", "desc")
		.limit(1)
		.executeTakeFirst();
	return row && toOperation(row);
}
