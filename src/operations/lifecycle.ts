// What an environment's lifecycle is after an operation, where others may wait in line behind it.
import {
	type Environment,
	type Lifecycle,
	lifecycleWithout,
	movesLifecycle,
	movingKinds,
} from "../domain/environment.ts";
import type { Operation } from "../domain/operation.ts";
import type { Db } from "../store/db.ts";
import { lockEnvironment, updateEnvironment } from "../store/environments.ts";
import { findNextQueued } from "../store/operations.ts";
import { findLastBegun } from "../store/wishes.ts";

/** After the end of a begun operation: an order that waits its turn has said already what comes, and keeps its word. */
export async function decideLifecycle(
	trx: Db,
	{ id, lifecycle }: Environment,
	end: Lifecycle,
): Promise<Lifecycle> {
	const next = await findNextQueued(trx, id, movingKinds);
	return next === undefined ? end : lifecycle;
}

/** After the end of an operation that nobody had begun: what the last one that was begun has made of it, or makes of it now. */
export async function restoreLifecycle(
	trx: Db,
	environment: Environment,
): Promise<Lifecycle> {
	const lastBegun = await findLastBegun(trx, environment.id);
	return decideLifecycle(trx, environment, lifecycleWithout(lastBegun));
}

/** Writes what a begun operation that did not succeed, and whose row says so, leaves of its environment. */
export async function leaveUnsuccessful(
	trx: Db,
	{ kind, environment: id }: Pick<Operation, "kind" | "environment">,
): Promise<void> {
	const environment = await lockEnvironment(trx, id);
	if (!movesLifecycle(kind)) return;
	await updateEnvironment(trx, id, {
		lifecycle: await decideLifecycle(trx, environment, "failed"),
		health: "unknown",
	});
}
