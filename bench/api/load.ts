// Orders from many callers at once.
import { setTimeout as delay } from "node:timers/promises";
import { findPercentile, type Readings } from "../statistics.ts";
import { secondsSince } from "../surroundings.ts";
import { makeOrderer, type Orderer } from "./orders.ts";

const clients = 20;
const ordersPerClient = 20;
export const orders = clients * ordersPerClient;
/** Of the paced load: the pause between the beginnings of two orders of a client. */
const paceMs = 500;

export const loadNames = {
	full: `${clients} clients, ${orders} orders, each client at once again`,
	paced: `${clients} clients, ${orders} orders, ${(clients * 1000) / paceMs} a second in all`,
};

export interface LoadResult {
	/** Milliseconds. */
	readonly full: Readings;
	readonly paced: Readings;
	/** Of the full load. */
	readonly perSecond: number;
	/** How many orders are in the queue now. */
	readonly ordered: number;
}

/** One order of each client beforehand is not counted: it opens connections, to the service and to the database. */
export async function measureLoad(
	url: string,
	token: string,
): Promise<LoadResult> {
	const orderers = Array.from({ length: clients }, () =>
		makeOrderer(url, token),
	);
	try {
		await orderAll(orderers, { prefix: "first", count: 1, paceMs: 0 });
		const paced = await orderAll(orderers, {
			prefix: "paced",
			count: ordersPerClient,
			paceMs,
		});
		const begun = performance.now();
		const full = await orderAll(orderers, {
			prefix: "full",
			count: ordersPerClient,
			paceMs: 0,
		});
		return {
			full: describe(full),
			paced: describe(paced),
			perSecond: full.length / secondsSince(begun),
			ordered: clients + paced.length + full.length,
		};
	} finally {
		for (const orderer of orderers) orderer.close();
	}
}

interface Load {
	readonly prefix: string;
	/** Orders of each client. */
	readonly count: number;
	/** 0: a client orders again as soon as it was answered. */
	readonly paceMs: number;
}

async function orderAll(
	orderers: readonly Orderer[],
	load: Load,
): Promise<number[]> {
	const latencies = await Promise.all(
		orderers.map((orderer, client) => orderInTurn(orderer, client, load)),
	);
	return latencies.flat();
}

/** Clients begin one after the other within the pace, so that they do not all order at the same moment. */
async function orderInTurn(
	orderer: Orderer,
	client: number,
	{ prefix, count, paceMs }: Load,
): Promise<number[]> {
	const begun = performance.now() + (paceMs * client) / clients;
	const latencies: number[] = [];
	for (let i = 0; i < count; i++) {
		const wait = begun + i * paceMs - performance.now();
		if (paceMs > 0 && wait > 0) await delay(wait);
		latencies.push(await orderer.order(`${prefix}-${client}-${i}`));
	}
	return latencies;
}

const describe = (latencies: readonly number[]): Readings => ({
	p50: findPercentile(latencies, 50),
	p95: findPercentile(latencies, 95),
	p99: findPercentile(latencies, 99),
	max: findPercentile(latencies, 100),
});
