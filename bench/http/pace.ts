// Requests that come at a pace, whether or not those before them were answered: an answer that is late makes nobody ask
// later, and who waits for it has waited since the request was due.
import { setTimeout as delay } from "node:timers/promises";
import { findPercentile, type Readings } from "../statistics.ts";

export interface Pace {
	readonly perSecond: number;
	readonly count: number;
	/** So many first ones open connections, here and to the database, and are not counted. */
	readonly warm: number;
}

/** Milliseconds from when a request was due to the last byte of its answer. Throws what `send` throws. */
export async function measurePaced(
	{ perSecond, count, warm }: Pace,
	send: (i: number) => Promise<unknown>,
): Promise<Readings> {
	const begun = performance.now();
	const sendDue = async (i: number): Promise<number> => {
		const at = begun + (i * 1_000) / perSecond;
		await delay(Math.max(0, at - performance.now()));
		await send(i);
		return performance.now() - at;
	};
	const latencies = await Promise.all(
		Array.from({ length: warm + count }, (_, i) => sendDue(i)),
	);
	const counted = latencies.slice(warm);
	return {
		p50: findPercentile(counted, 50),
		p95: findPercentile(counted, 95),
		p99: findPercentile(counted, 99),
		max: findPercentile(counted, 100),
	};
}
