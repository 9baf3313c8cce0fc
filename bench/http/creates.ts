// Orders that come at a pace, whether or not those before them were answered.
import { setTimeout as delay } from "node:timers/promises";
import { makeOrderer } from "../api/orders.ts";
import { findPercentile, type Readings } from "../statistics.ts";

export const perSecond = 50;
export const orders = 1_000;
/** So many first ones open connections, here and to the database, and are not counted. */
const warm = 100;
const clients = 25;

/** Milliseconds from an order's sending to the last byte of its answer. */
export async function measureCreates(
	url: string,
	token: string,
): Promise<Readings> {
	const orderers = Array.from({ length: clients }, () =>
		makeOrderer(url, token),
	);
	try {
		const begun = performance.now();
		const order = async (i: number): Promise<number> => {
			const at = begun + (i * 1_000) / perSecond;
			await delay(Math.max(0, at - performance.now()));
			const orderer = orderers[i % clients];
			if (orderer === undefined) throw new Error("there is no orderer");
			await orderer.order(`paced-${i}`);
			// From when it was due: one that had to wait for the one before it on its connection has waited.
			return performance.now() - at;
		};
		const latencies = await Promise.all(
			Array.from({ length: warm + orders }, (_, i) => order(i)),
		);
		const counted = latencies.slice(warm);
		return {
			p50: findPercentile(counted, 50),
			p95: findPercentile(counted, 95),
			p99: findPercentile(counted, 99),
			max: findPercentile(counted, 100),
		};
	} finally {
		for (const orderer of orderers) orderer.close();
	}
}
