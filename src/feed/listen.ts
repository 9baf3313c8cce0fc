// Wakes whoever follows something when it may have news. A notice is only a hint, and one can be lost: so all that anybody
// here follows is looked at again and again, by one statement for all of them and not by each.
import type { EnvironmentId, TenantId } from "../domain/ids.ts";
import type { Db } from "../store/db.ts";
import { eventsChannel, listHeads } from "../store/events.ts";
import { type WhenMoved, watchHorizon } from "./horizon.ts";
import { listen } from "./notices.ts";

/** How long a notice that was lost can delay an event. */
const lookAgainMs = 2_000;

/** What has a log: an environment, or a tenant with all of his. */
export type Topic = EnvironmentId | TenantId;

export interface Feed {
	readonly db: Db;
	/** Calls `wake` when there may be news, until the returned function is called. */
	subscribe(topic: Topic, wake: () => void): () => void;
	/** Waits for what an open transaction holds back. */
	readonly whenMoved: WhenMoved;
	close(): Promise<void>;
}

/** Starts to listen, by one connection for all. When that was lost and is there again, everyone is woken. */
export function openFeed(options: {
	readonly url: string;
	readonly db: Db;
	readonly onError: (error: Error) => void;
}): Feed {
	const wakers = new Map<string, Set<() => void>>();
	/** How far each log was at the last look. */
	const heads = new Map<string, number>();
	const wakeAll = (topic: string) => {
		for (const wake of wakers.get(topic) ?? []) wake();
	};
	const listener = listen({
		url: options.url,
		channel: eventsChannel,
		onNotice: (topics) => {
			for (const topic of topics.split(" ")) wakeAll(topic);
		},
		onAgain: () => {
			for (const topic of wakers.keys()) wakeAll(topic);
		},
		onError: options.onError,
	});

	let isLooking = false;
	const look = async () => {
		if (isLooking || wakers.size === 0) return;
		isLooking = true;
		try {
			const topics = [...wakers.keys()];
			for (const { topic, head } of await listHeads(options.db, topics)) {
				const isNews = heads.get(topic) !== head;
				if (wakers.has(topic)) heads.set(topic, head);
				if (isNews) wakeAll(topic);
			}
		} catch {
			// The database is away. Nobody misses anything: the next look is from where this one would have been.
		} finally {
			isLooking = false;
		}
	};
	const timer = setInterval(look, lookAgainMs);

	return {
		db: options.db,
		whenMoved: watchHorizon(options.db),
		subscribe(topic, wake) {
			const group = wakers.get(topic) ?? new Set();
			wakers.set(topic, group);
			group.add(wake);
			// Whoever comes later may have looked before what the others have seen.
			heads.delete(topic);
			return () => {
				group.delete(wake);
				if (group.size > 0 || wakers.get(topic) !== group) return;
				wakers.delete(topic);
				heads.delete(topic);
			};
		},
		close() {
			clearInterval(timer);
			return listener.close();
		},
	};
}
