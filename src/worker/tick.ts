// Runs what must be looked at again and again on timers: one pass of each at a time, and a pass that fails is followed by
// the next.
import type { Log } from "../log.ts";
import { advanceRollouts, type FleetContext } from "../operations/fleet.ts";
import { type ForgetContext, forget } from "../operations/forget.ts";
import {
	followSchedules,
	type ScheduleContext,
} from "../operations/schedules.ts";
import { type SweepContext, sweep } from "../operations/sweep.ts";

export interface Ticker {
	close(): Promise<void>;
}

interface Pass {
	/** For the log: "the sweep". */
	readonly what: string;
	readonly everyMs: number;
	readonly log: Log;
	run(): Promise<unknown>;
}

export const startTicking = (context: SweepContext): Ticker =>
	startPass({
		what: "the sweep",
		// Half of it is what a recovery waits on average, after the lease is over.
		everyMs: 500,
		log: context.log,
		run: () => sweep(context),
	});

export const startAdvancingRollouts = (context: FleetContext): Ticker =>
	startPass({
		what: "the pass over roll-outs",
		// A member's upgrade takes seconds at least.
		everyMs: 1_000,
		log: context.log,
		run: () => advanceRollouts(context),
	});

export const startFollowingSchedules = (context: ScheduleContext): Ticker =>
	startPass({
		what: "a look at the schedules",
		everyMs: 2_000,
		log: context.log,
		run: () => followSchedules(context),
	});

export const startForgetting = (context: ForgetContext): Ticker =>
	startPass({
		what: "a look at what is old",
		everyMs: 60_000,
		log: context.log,
		run: () => forget(context),
	});

function startPass({ what, everyMs, log, run }: Pass): Ticker {
	let timer: NodeJS.Timeout | undefined;
	let closed = false;
	let failing = false;
	const tick = async () => {
		try {
			await run();
			failing = false;
		} catch (error) {
			// Said once for each bad time, not once a second.
			if (!failing) log.warn({ err: error }, `${what} failed`);
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
