// Runs the watches on a timer, as tick.ts the sweep: one pass at a time, and a pass that fails is followed by the next.
import { setTimeout as pause } from "node:timers/promises";
import { makeWatches, type WatchContext } from "../operations/watches.ts";
import type { Ticker } from "./tick.ts";

const everyMs = 300;

/** Runs until it is closed. */
export function startWatching(context: WatchContext): Ticker {
	const { log } = context;
	const watches = makeWatches(context);
	const stop = new AbortController();
	let failing = false;

	async function run(): Promise<void> {
		while (!stop.signal.aborted) {
			try {
				await watches.pass();
				failing = false;
			} catch (err) {
				// Said once for each bad time.
				if (!failing) log.warn({ err }, "watching the targets failed");
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
			await watches
				.close()
				.catch((err: unknown) =>
					log.warn({ err }, "the targets were not given back"),
				);
		},
	};
}
