// Orders a roll-out, resumes it and ends it early. What it does in between is fleet.ts.
import { createRolloutId, type RolloutId } from "../domain/ids.ts";
import type { Rollout, RolloutOrder } from "../domain/rollout.ts";
import type { Actor } from "../domain/tenant.ts";
import { Failure } from "../failure.ts";
import { type Db, transact } from "../store/db.ts";
import { findRelease } from "../store/releases.ts";
import {
	createRollout,
	findRollout,
	lockRollout,
	moveRollout,
} from "../store/rollouts.ts";

/** Decides now who takes part. Throws `invalid_request` when the release does not exist or nobody is selected. */
export async function orderRollout(
	db: Db,
	actor: Actor,
	order: RolloutOrder,
): Promise<Rollout> {
	const id = createRolloutId();
	await transact(db, async (trx) => {
		if ((await findRelease(trx, order.release)) === undefined)
			throw refuseOrder(
				"/release",
				`names no release: ${order.release}`,
				"GET /v1/releases lists those that exist.",
			);
		const members = await createRollout(trx, {
			id,
			release: order.release,
			selector: order.selector,
			maxConcurrent: order.maxConcurrent,
			pauseSeconds: decidePause(order.pauseAfterFirstWave),
			window: order.window ?? null,
			requestedBy: actor.name,
		});
		if (members === 0)
			throw refuseOrder(
				"/selector",
				"selects no environment",
				"GET /v1/environments lists those that exist, with their labels.",
			);
	});
	return loadRollout(db, id);
}

const decidePause = (pause: boolean | number): number | null =>
	typeof pause === "number" ? pause : pause ? 0 : null;

/** Ends a pause. Throws `conflict` when there is none. */
export async function resumeRollout(
	db: Db,
	actor: Actor,
	{ id }: Rollout,
): Promise<Rollout> {
	await transact(db, async (trx) => {
		const current = await lockRollout(trx, id, { skipsLocked: false });
		if (current?.state !== "paused")
			throw refuse(
				`The roll-out ${id} is not paused.`,
				"Look at its state and at its timeline.",
			);
		await moveRollout(trx, id, {
			state: "running",
			reason: `${actor.name} resumed it.`,
		});
	});
	return loadRollout(db, id);
}

/**
 * No member is begun any more; those under way come to their end. Asked again, the answer is the same roll-out. Throws
 * `conflict` when it has ended, or stops already for another reason.
 */
export async function abortRollout(
	db: Db,
	actor: Actor,
	rollout: Rollout,
): Promise<Rollout> {
	const { id } = rollout;
	await transact(db, async (trx) => {
		const current = await lockRollout(trx, id, { skipsLocked: false });
		if (current === undefined) {
			if ((await loadRollout(trx, id)).abortedBy !== null) return;
			throw refuse(
				`The roll-out ${id} has ended already.`,
				"Look at its members. An environment is taken back by a rollback of its own.",
			);
		}
		if (current.abortedBy !== null) return;
		if (current.state === "stopping")
			throw refuse(
				`The roll-out ${id} stops already, because a member failed.`,
				"Wait for its end.",
			);
		await moveRollout(trx, id, {
			state: "stopping",
			reason: `${actor.name} aborted it.`,
			abortedBy: actor.name,
		});
	});
	return loadRollout(db, id);
}

async function loadRollout(db: Db, id: RolloutId): Promise<Rollout> {
	const found = await findRollout(db, id);
	if (found === undefined) throw new Error(`${id} is gone`);
	return found;
}

const refuse = (message: string, advice: string): Failure =>
	new Failure({
		code: "conflict",
		message,
		untouched: "Nothing was changed.",
		advice,
	});

const refuseOrder = (
	pointer: string,
	message: string,
	advice: string,
): Failure =>
	new Failure({
		code: "invalid_request",
		message: `There is nothing to roll out: ${pointer} ${message}.`,
		untouched: "Nothing was ordered.",
		advice,
		errors: [{ pointer, message }],
	});
