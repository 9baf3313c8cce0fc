// Runs the pass over environments whose time is over on a timer, as tick.ts the sweep.
import { setTimeout as pause } from "node:timers/promises";
import { type ExpireContext, expire } from "../operations/expire.ts";
import type { Ticker } from "./tick.ts";

const everyMs = 1_000;

/** Runs until it is closed. */
export function startExpiring(context: ExpireContext): Ticker {
	const { log } = context;
	const stop = new AbortController();
	let failing = false;

	async function run(): Promise<void> {
		while (!stop.signal.aborted) {
			try {
				await expire(context);
				failing = false;
			} catch (err) {
				// Said once for each bad time.
				if (!failing) log.warn({ err }, "the pass over expiries failed");
				failing = true;
			}
			await pause(everyMs, undefined, stop).catch(() => undefined);
		}
	}

	const running = run();
	return {
		async close() {
			stop.abort();
			await running;
		},
	};
}
