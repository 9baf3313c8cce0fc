// What an environment's lifecycle is after an operation, where others may wait in line behind it.
import {
	type Environment,
	type Lifecycle,
	lifecycleWithout,
	movesLifecycle,
	movingKinds,
} from "../domain/environment.ts";
import { isOnlyStopped, type Operation } from "../domain/operation.ts";
import { serviceActor } from "../domain/tenant.ts";
import type { Db } from "../store/db.ts";
import { lockEnvironment, updateEnvironment } from "../store/environments.ts";
import { findNextQueued, findOperation } from "../store/operations.ts";
import { findLastBegun } from "../store/wishes.ts";
import { request } from "./request.ts";

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

/**
 * Writes what a begun operation that did not succeed, and whose row says so, leaves of its environment. Where a restore
 * has stopped what runs and done nothing else, it is started again.
 */
export async function leaveUnsuccessful(
	trx: Db,
	{ id, kind, environment: place }: Operation,
): Promise<void> {
	const environment = await lockEnvironment(trx, place);
	if (!movesLifecycle(kind)) return;
	const ended = await findOperation(trx, id, undefined);
	if (ended?.isTouched === false) {
		const lifecycle = await restoreLifecycle(trx, environment);
		await updateEnvironment(trx, place, { lifecycle });
		return;
	}
	const end = await decideLifecycle(trx, environment, "failed");
	const wakes = end === "failed" && ended !== undefined && isOnlyStopped(ended);
	if (wakes) await orderWake(trx, ended, environment);
	await updateEnvironment(trx, place, {
		lifecycle: wakes ? "waking" : end,
		health: "unknown",
	});
}

/** The revision that a restore leads to has the content of what ran, and its power is on. */
const orderWake = (
	trx: Db,
	{ id, revisionTo }: Operation,
	{ id: environment, revision }: Environment,
) =>
	request(trx, {
		environment,
		kind: "wake",
		revisionFrom: revision,
		revisionTo,
		actor: serviceActor,
		causedBy: id,
	});
