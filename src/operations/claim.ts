// Taking an operation and keeping it. The lease is renewed while its owner lives; when it cannot be
// renewed the owner stops by itself, before anyone else may begin.
import type { EnvironmentId, OperationId } from "../domain/ids.ts";
import {
	leaseMs,
	leaseRenewalMs,
	leaseRetryMs,
	maxAttempts,
} from "../domain/operation.ts";
import { Failure } from "../failure.ts";
import type { Log } from "../log.ts";
import type { Sender } from "../queue/enqueue.ts";
import type { Db } from "../store/db.ts";
import {
	type Claimed,
	claimOperation,
	lostLease,
	renewLease,
} from "../store/leases.ts";
import { findNextQueued } from "../store/operations.ts";
import { listTurns, lockTurns, markServed, type Turn } from "../store/turns.ts";
import { makeWriteLine, type WriteLine } from "./write-line.ts";

export interface Ownership extends Omit<Claimed, "leftMs"> {
	/** Aborts, with a Failure `lease_lost` as its reason, once the lease is lost or cannot be renewed in time. */
	readonly lost: AbortSignal;
	/** Through which all that this owner writes goes. */
	readonly write: WriteLine;
	/** What is left of the operation's own time, in milliseconds; negative once it is over. */
	leftMs(): number;
	/** Stops the renewals. Does not give the lease back: ending or releasing the operation does. */
	stop(): void;
}

/** Takes this operation, whoever else waits. Undefined when it cannot be taken. Throws only when the database does. */
export async function claim(
	context: { readonly db: Db; readonly log: Log },
	request: { readonly id: OperationId; readonly owner: string },
): Promise<Ownership | undefined> {
	// Before the statement: the lease may have begun a little later than this, never earlier.
	const claimedAt = performance.now();
	const claimed = await claimOperation(context.db, { ...request, maxAttempts });
	return claimed && keepAlive(context, claimed, claimedAt);
}

/** How many are asked for at a time: one may be cancelled before it is taken. */
const turns = 5;

/**
 * Takes the operation whose turn it is (store/turns.ts), undefined when nobody's is. `next` is one that could be begun
 * besides: whoever ends one operation may have made room for two. Throws only when the database does.
 */
export async function claimNext(
	context: { readonly db: Db; readonly log: Log },
	owner: string,
): Promise<{ ownership: Ownership; next: Turn | undefined } | undefined> {
	const claimedAt = performance.now();
	const taken = await context.db.transaction().execute(async (trx) => {
		await lockTurns(trx);
		const candidates = await listTurns(trx, { maxAttempts, limit: turns });
		for (const [index, { id, tenant }] of candidates.entries()) {
			const claimed = await claimOperation(trx, { id, owner, maxAttempts });
			if (claimed === undefined) continue;
			await markServed(trx, tenant);
			return { claimed, next: candidates[index + 1] };
		}
		return undefined;
	});
	if (taken === undefined) return undefined;
	const ownership = keepAlive(context, taken.claimed, claimedAt);
	return { ownership, next: taken.next };
}

/** Once an operation has ended, the next in its environment's line need not wait for the sweep. */
export async function nudgeNext(
	context: { readonly db: Db; readonly sender: Pick<Sender, "enqueue"> },
	environment: EnvironmentId,
): Promise<void> {
	const next = await findNextQueued(context.db, environment);
	if (next !== undefined) await context.sender.enqueue(next, 0);
}

function keepAlive(
	context: { readonly db: Db; readonly log: Log },
	claimed: Claimed,
	claimedAt: number,
): Ownership {
	const controller = new AbortController();
	// A monotonic clock: the wall clock may jump, and the database keeps time for everyone else.
	let provenAt = claimedAt;
	let timer: NodeJS.Timeout | undefined;
	let stopped = false;

	const renew = async () => {
		const startedAt = performance.now();
		try {
			await renewLease(context.db, claimed.lease);
			provenAt = startedAt;
		} catch (error) {
			if (error instanceof Failure && error.code === "lease_lost") {
				controller.abort(error);
				return;
			}
			// The database is away. The lease is ours until it ends, whether or not we can ask.
			context.log.warn(
				{ err: error, operation: claimed.operation.id },
				"a lease could not be renewed",
			);
			schedule(leaseRetryMs);
			return;
		}
		schedule(leaseRenewalMs);
	};

	const schedule = (afterMs: number) => {
		if (stopped || controller.signal.aborted) return;
		const left = leaseMs - (performance.now() - provenAt);
		if (left <= 0) controller.abort(lostLease(claimed.lease));
		else timer = setTimeout(renew, Math.min(afterMs, left));
	};
	schedule(leaseRenewalMs);
	// A renewal that hangs must not keep the owner believing.
	const watchdog = setInterval(() => {
		if (performance.now() - provenAt > leaseMs) {
			controller.abort(lostLease(claimed.lease));
		}
	}, 1_000);

	return {
		...claimed,
		lost: controller.signal,
		write: makeWriteLine(),
		leftMs: () => claimed.leftMs - (performance.now() - claimedAt),
		stop() {
			stopped = true;
			clearTimeout(timer);
			clearInterval(watchdog);
		},
	};
}
