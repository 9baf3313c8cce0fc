// Keeps webhooks told: takes lanes that are due and runs some of them at a time. Any number of processes may do so side by
// side; each lane is in the hands of one of them, for a while that ends by itself.
import { randomBytes } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import type { WebhookId } from "../domain/ids.ts";
import type { TargetPolicy } from "../domain/webhook.ts";
import type { Log } from "../log.ts";
import type { SealKey } from "../seal.ts";
import type { Db } from "../store/db.ts";
import { claimDeliveries } from "../store/delivery-log.ts";
import {
	type ClaimedLane,
	claimLanes,
	webhooksChannel,
} from "../store/webhook-lanes.ts";
import { sendAsked } from "./asked.ts";
import { runLane } from "./lane.ts";
import { listen } from "./notices.ts";
import { openPoster, type PosterOptions } from "./post.ts";

export interface DeliverOptions {
	readonly db: Db;
	/** Of the same database, to listen by. */
	readonly url: string;
	readonly sealKey: SealKey;
	readonly policy: TargetPolicy;
	readonly log: Log;
	/** How names are looked up and how long an attempt may take. */
	readonly poster?: Omit<PosterOptions, "policy">;
}

/** Lanes that run at a time in a process; and of one webhook about so many, since a slow receiver must not take them all. */
const limit = 64;
const limitEach = 8;
/** How long a lane is kept before others have a turn. */
const turnMs = 20_000;
/** After so long nobody believes any more that a lane's owner lives: its turn, one more attempt, and some air. */
const leaseSeconds = 60;
/** How long a missed notice can delay an event, and how exactly pauses are kept. */
const lookAgainMs = 1_000;
/** How long closing waits for attempts that are under way. They are made again elsewhere. */
const closeWithinMs = 5_000;

export interface Deliverer {
	/** Begins no further attempt and waits for those under way, for 5 seconds at most. */
	close(): Promise<void>;
}

/** Runs until it is closed. */
export function startDelivering(options: DeliverOptions): Deliverer {
	const { db, log } = options;
	const poster = openPoster({ ...options.poster, policy: options.policy });
	const context = { ...options, poster };
	const rest = new AbortController();
	const stop = new AbortController();
	const running = new Map<Promise<void>, WebhookId>();
	const bell = makeBell(rest.signal);
	const listener = listen({
		url: options.url,
		channel: webhooksChannel,
		onNotice: bell.ring,
		onAgain: bell.ring,
		onError: (err) =>
			log.warn({ err }, "the webhooks' notices were interrupted"),
	});

	function start(webhook: WebhookId, work: () => Promise<void>): void {
		const run = work()
			// It comes back when its lease is over.
			.catch((err) => log.error({ err, webhook }, "a delivery went wrong"))
			.finally(() => {
				running.delete(run);
				bell.ring();
			});
		running.set(run, webhook);
	}

	function startLane(lane: ClaimedLane): void {
		const signals = {
			rest: AbortSignal.any([rest.signal, AbortSignal.timeout(turnMs)]),
			stop: stop.signal,
		};
		start(lane.webhook, () => runLane(context, lane, signals));
	}

	const describeWish = (most: number) => ({
		claim: randomBytes(12).toString("base64url"),
		limit: Math.min(limit - running.size, most),
		leaseSeconds,
		without: listBusy(running.values()),
	});

	/** What people ask for goes first. Returns whether there may be more to take. */
	async function take(): Promise<boolean> {
		if (running.size === limit) return false;
		const wish = describeWish(limitEach);
		const asked = await claimDeliveries(db, wish);
		for (const one of asked)
			start(one.webhook, () => sendAsked(context, one, stop.signal));
		if (running.size === limit) return false;
		const wished = describeWish(limit);
		const lanes = await claimLanes(db, { ...wished, limitEach });
		for (const lane of lanes) startLane(lane);
		return asked.length === wish.limit || lanes.length === wished.limit;
	}

	async function run(): Promise<void> {
		let isFailing = false;
		while (!rest.signal.aborted) {
			let isMore = false;
			try {
				isMore = await take();
				isFailing = false;
			} catch (err) {
				// Said once for each bad time.
				if (!isFailing) log.warn({ err }, "webhooks could not be looked at");
				isFailing = true;
			}
			if (!isMore) await bell.wait(lookAgainMs);
		}
	}

	const looking = run();
	return {
		async close() {
			rest.abort();
			bell.ring();
			await looking;
			const late = new AbortController();
			await Promise.race([
				Promise.all(running.keys()),
				pause(closeWithinMs, undefined, late).catch(() => undefined),
			]);
			late.abort();
			stop.abort();
			await Promise.all(running.keys());
			await listener.close();
			poster.close();
		},
	};
}

/** The webhooks of which as many lanes run as may. */
function listBusy(running: Iterable<WebhookId>): WebhookId[] {
	const lanes = Map.groupBy(running, (webhook) => webhook);
	return [...lanes]
		.filter(([, ofOne]) => ofOne.length >= limitEach)
		.map(([webhook]) => webhook);
}

/** Something to wait for. A ring while nobody waits is heard by the next who does. */
function makeBell(silence: AbortSignal) {
	let hasRung = false;
	let wake = () => {};
	return {
		ring() {
			hasRung = true;
			wake();
		},
		async wait(forMs: number): Promise<void> {
			if (!hasRung && !silence.aborted) {
				await new Promise<void>((fulfil) => {
					const timer = setTimeout(fulfil, forMs);
					wake = () => {
						clearTimeout(timer);
						fulfil();
					};
				});
				wake = () => {};
			}
			hasRung = false;
		},
	};
}
