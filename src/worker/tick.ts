// Runs passes on timers: one pass of a kind at a time, and a pass that fails is followed by the next.
import type { Log } from "../log.ts";
import { advanceRollouts, type FleetContext } from "../operations/fleet.ts";
import { type SweepContext, sweep } from "../operations/sweep.ts";

// Half of it is what a recovery waits on average, after the lease is over.
const sweepEveryMs = 500;
// A member's upgrade takes seconds at least.
const advanceEveryMs = 1_000;

export interface Ticker {
	close(): Promise<void>;
}

export function startTicking(context: SweepContext & FleetContext): Ticker {
	const tickers = [
		startTicker(context.log, {
			name: "the sweep",
			everyMs: sweepEveryMs,
			pass: () => sweep(context),
		}),
		startTicker(context.log, {
			name: "the pass over roll-outs",
			everyMs: advanceEveryMs,
			pass: () => advanceRollouts(context),
		}),
	];
	return {
		async close() {
			await Promise.all(tickers.map((ticker) => ticker.close()));
		},
	};
}

function startTicker(
	log: Log,
	work: {
		readonly name: string;
		readonly everyMs: number;
		readonly pass: () => Promise<unknown>;
	},
): Ticker {
	let timer: NodeJS.Timeout | undefined;
	let closed = false;
	let failing = false;
	const tick = async () => {
		try {
			await work.pass();
			failing = false;
		} catch (error) {
			// Said once for each bad time, not once a second.
			if (!failing) log.warn({ err: error }, `${work.name} failed`);
			failing = true;
		}
		if (!closed) schedule();
	};
	let running: Promise<void> = Promise.resolve();
	const schedule = () => {
		timer = setTimeout(() => {
			running = tick();
		}, work.everyMs);
	};
	schedule();
	return {
		async close() {
			closed = true;
			clearTimeout(timer);
			await running;
		},
	};
}
