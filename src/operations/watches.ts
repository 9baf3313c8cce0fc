// Watches the targets that nobody else watches, and orders looks at what differs when it is time.
import type { Log } from "../log.ts";
import { holdWatches, releaseWatches, type Watch } from "../store/health.ts";
import { orderDriftLooks } from "./drift-schedule.ts";
import { type HealthContext, openWatcher, type Watcher } from "./health.ts";
import type { VerbContext } from "./request.ts";

/** In milliseconds. */
/** What is told in rows may have moved without anything having moved in the cluster: an operation ended. */
const allEveryMs = 3_000;
const leaseMs = 12_000;
const renewEveryMs = 4_000;
const driftEveryMs = 10_000;

export interface WatchContext extends HealthContext, VerbContext {
	readonly log: Log;
	/** Names this process among those that watch. */
	readonly owner: string;
}

interface Held {
	readonly watcher: Watcher;
	watch: Watch;
	passedAllAt: number;
}

export interface Watches {
	/** To be called several times a second. Throws what the database throws; the next pass goes on. */
	pass(): Promise<void>;
	/** Lets others watch. */
	close(): Promise<void>;
}

export function makeWatches(context: WatchContext): Watches {
	const { db, log, owner } = context;
	const held = new Map<string, Held>();
	let heldUntil = 0;
	let renewAt = 0;
	let driftAt = performance.now() + driftEveryMs;

	async function drop(target: string): Promise<void> {
		const one = held.get(target);
		held.delete(target);
		await one?.watcher.close();
	}

	async function renew(): Promise<void> {
		const startedAt = performance.now();
		const watches = await holdWatches(db, owner, leaseMs);
		renewAt = startedAt + renewEveryMs;
		heldUntil = startedAt + leaseMs;
		for (const target of held.keys()) {
			if (!watches.some((watch) => watch.target === target)) await drop(target);
		}
		for (const watch of watches) await take(watch);
	}

	async function take(watch: Watch): Promise<void> {
		const known = held.get(watch.target);
		// A target may get another address or other credentials, and who lost it meanwhile knows less than it thinks.
		const isSame =
			known?.watch.fence === watch.fence &&
			known.watch.kubeconfig.equals(watch.kubeconfig);
		if (known !== undefined && isSame) {
			known.watch = watch;
			return;
		}
		await drop(watch.target);
		try {
			const watcher = openWatcher(context, watch);
			held.set(watch.target, { watcher, watch, passedAllAt: 0 });
		} catch (err) {
			log.warn({ err, target: watch.name }, "a target cannot be watched");
		}
	}

	async function pass(): Promise<void> {
		if (performance.now() >= renewAt) await renew();
		for (const one of held.values()) {
			const isDue = performance.now() - one.passedAllAt >= allEveryMs;
			if (!isDue && !one.watcher.hasNews()) continue;
			if (isDue) one.passedAllAt = performance.now();
			await one.watcher.pass(one.watch, isDue);
		}
		if (performance.now() >= driftAt) {
			driftAt = performance.now() + driftEveryMs;
			await orderDriftLooks(context);
		}
	}

	return {
		async pass() {
			try {
				await pass();
			} catch (error) {
				// By then somebody else may watch.
				if (performance.now() >= heldUntil)
					for (const target of held.keys()) await drop(target);
				throw error;
			}
		},
		async close() {
			for (const target of held.keys()) await drop(target);
			await releaseWatches(db, owner);
		},
	};
}
