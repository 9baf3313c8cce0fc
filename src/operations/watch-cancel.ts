// How an owner learns that its operation is not wanted any more: the wish is in the row, and it looks.
import { setTimeout as delay } from "node:timers/promises";
import { cancelDeadlinesMs } from "../domain/operation.ts";
import { Failure } from "../failure.ts";
import type { Db } from "../store/db.ts";
import { isCancelRequested, type Lease } from "../store/leases.ts";
import type { Ownership } from "./claim.ts";

export interface CancelWatch {
	/** Aborts, with a Failure `cancelled` as its reason, once somebody asked for the operation to be cancelled. */
	readonly requested: AbortSignal;
	stop(): void;
}

/** The Failure by which a wish to cancel ends whatever goes on. */
export const makeCancelled = (): Failure =>
	new Failure({ code: "cancelled", message: "The operation is cancelled." });

/** An operation whose earlier owner died while it cancelled it is known at once. */
export function watchCancel(db: Db, ownership: Ownership): CancelWatch {
	const { operation, lease, lost } = ownership;
	const controller = new AbortController();
	const stopped = new AbortController();
	if (operation.state === "cancelling") controller.abort(makeCancelled());
	else
		void look(db, lease, AbortSignal.any([stopped.signal, lost]), controller);
	return { requested: controller.signal, stop: () => stopped.abort() };
}

async function look(
	db: Db,
	lease: Lease,
	over: AbortSignal,
	controller: AbortController,
): Promise<void> {
	while (!over.aborted) {
		try {
			await delay(cancelDeadlinesMs.look, undefined, { signal: over });
			if (!(await isCancelRequested(db, lease))) continue;
			controller.abort(makeCancelled());
			return;
		} catch {
			// Stopped, or the database is away: then nobody can have asked, and the next look is soon.
		}
	}
}

/** To be called in an owner's transaction: what it writes must not pass over a wish that came a moment before. */
export async function refuseIfCancelling(trx: Db, lease: Lease): Promise<void> {
	if (await isCancelRequested(trx, lease)) throw makeCancelled();
}
