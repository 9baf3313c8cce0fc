// Waiting until the end of an open transaction, of which no notice comes: one look for all who wait, ever more rarely while
// nothing moves.
import type { Db } from "../store/db.ts";
import { readHorizon } from "../store/tenant-events.ts";

const firstMs = 100;
const mostMs = 1_000;

/**
 * Calls `wake` once, as soon as the horizon of the events is beyond `horizon` or cannot be read, unless the returned
 * function was called before.
 */
export type WhenMoved = (horizon: number, wake: () => void) => () => void;

interface Waiting {
	readonly horizon: number;
	readonly wake: () => void;
}

/** Looks only while somebody waits, so there is nothing to close. */
export function watchHorizon(
	db: Db,
	read: (db: Db) => Promise<number> = readHorizon,
): WhenMoved {
	const waiting = new Set<Waiting>();
	let timer: NodeJS.Timeout | undefined;
	let isLooking = false;
	let delayMs = firstMs;

	const look = async () => {
		isLooking = true;
		// Where the database is away, whoever is woken meets that by himself.
		const horizon = await read(db).catch(() => Number.POSITIVE_INFINITY);
		const woken = [...waiting].filter((one) => horizon > one.horizon);
		for (const one of woken) {
			waiting.delete(one);
			one.wake();
		}
		delayMs = woken.length > 0 ? firstMs : Math.min(delayMs * 2, mostMs);
		isLooking = false;
		timer = waiting.size > 0 ? setTimeout(look, delayMs) : undefined;
	};

	return (horizon, wake) => {
		const one = { horizon, wake };
		waiting.add(one);
		if (timer === undefined && !isLooking) {
			delayMs = firstMs;
			timer = setTimeout(look, delayMs);
		}
		return () => {
			waiting.delete(one);
			if (waiting.size > 0) return;
			clearTimeout(timer);
			timer = undefined;
		};
	};
}
