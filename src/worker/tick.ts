// Runs the sweep on a timer: one pass at a time, and a pass that fails is followed by the next.
import type { Log } from "../log.ts";
import { type SweepContext, sweep } from "../operations/sweep.ts";

// Half of it is what a recovery waits on average, after the lease is over.
const everyMs = 500;

export interface Ticker {
	close(): Promise<void>;
}

export function startTicking(context: SweepContext & { log: Log }): Ticker {
	let timer: NodeJS.Timeout | undefined;
	let closed = false;
	let failing = false;
	const tick = async () => {
		try {
			await sweep(context);
			failing = false;
		} catch (error) {
			// Said once for each bad time, not once a second.
			if (!failing) context.log.warn({ err: error }, "the sweep failed");
			failing = true;
		}
		if (!closed) schedule();
	};
	let running: Promise<void> = Promise.resolve();
	const schedule = () => {
		timer = setTimeout(() => {
			running = tick();
		}, everyMs);
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
