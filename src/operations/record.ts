// What an owner tells while it works: events and progress, each write carrying the fencing token. A
// database that is away for a moment is waited for, as long as the lease may still be ours.
import { setTimeout as delay } from "node:timers/promises";
import type { NewEvent } from "../domain/event.ts";
import type { Changes, PhaseName, PhaseRecord } from "../domain/operation.ts";
import { Failure } from "../failure.ts";
import { type Db, translateDatabaseError } from "../store/db.ts";
import { appendEvents } from "../store/events.ts";
import { holdForWrite, recordProgress } from "../store/leases.ts";
import type { Ownership } from "./claim.ts";

const retryMs = 250;

/**
 * Runs a transaction as the owner of the operation; throws `lease_lost` when it is not the owner any more. When the
 * connection dies the transaction is tried again, and nothing is written twice: a try that was committed although its
 * answer was lost is known by its number, and what `work` returned in it is the result.
 */
export function writeAsOwner<T>(
	db: Db,
	ownership: Ownership,
	options: { readonly lost: AbortSignal },
	work: (transaction: Db) => Promise<T>,
): Promise<T> {
	return ownership.write(async (number) => {
		let made: { readonly value: T } | undefined;
		for (;;) {
			try {
				return await db.transaction().execute(async (trx) => {
					const held = await holdForWrite(trx, ownership.lease, number);
					if (held === "written" && made !== undefined) return made.value;
					made = { value: await work(trx) };
					return made.value;
				});
			} catch (error) {
				const translated = translateDatabaseError(error);
				if (options.lost.aborted) throw options.lost.reason;
				if (!isUnavailable(translated)) throw translated;
				await delay(retryMs);
			}
		}
	});
}

const isUnavailable = (error: unknown): boolean =>
	error instanceof Failure && error.code === "unavailable";

export interface Recorder {
	/** Takes the event at once and writes it soon, in order. A failed write is thrown by the next `flush`. */
	record(event: NewEvent): void;
	/** Fulfils when all that was recorded is written. */
	flush(): Promise<void>;
	/** Writes an event together with how far the operation is. */
	progress(
		event: NewEvent,
		progress: {
			readonly phase: PhaseName;
			readonly phases: readonly PhaseRecord[];
			readonly changes?: Changes;
		},
	): Promise<void>;
}

/**
 * Events that come while a write is under way go together in the next one: as many transactions as the
 * database manages, not as many as there are resources.
 */
export function makeRecorder(
	db: Db,
	ownership: Ownership,
	options: { readonly lost: AbortSignal },
): Recorder {
	const place = {
		environment: ownership.operation.environment,
		operation: ownership.operation.id,
	};
	let pending: NewEvent[] = [];
	let writing: Promise<void> = Promise.resolve();
	let failed: { readonly error: unknown } | undefined;

	const write = async () => {
		if (pending.length === 0 || failed !== undefined) return;
		const batch = pending;
		pending = [];
		await writeAsOwner(db, ownership, options, (trx) =>
			appendEvents(trx, place, batch),
		);
	};

	const enqueueWrite = () => {
		writing = writing.then(write).catch((error: unknown) => {
			failed ??= { error };
		});
	};

	const flush = async () => {
		await writing;
		if (failed !== undefined) throw failed.error;
	};

	return {
		record(event) {
			pending.push(event);
			if (pending.length === 1) enqueueWrite();
		},
		flush,
		async progress(event, progress) {
			await flush();
			await writeAsOwner(db, ownership, options, async (trx) => {
				await recordProgress(trx, ownership.lease, progress);
				await appendEvents(trx, place, [event]);
			});
		},
	};
}
