// Wakes whoever follows an environment when it may have news. A notice is only a hint: followers look at the table, also
// when no notice came for a while.
import type { EnvironmentId } from "../domain/ids.ts";
import type { Db } from "../store/db.ts";
import { eventsChannel } from "../store/events.ts";
import { listen } from "./notices.ts";

export interface Feed {
	readonly db: Db;
	/** Calls `wake` when the environment may have news, until the returned function is called. */
	subscribe(environment: EnvironmentId, wake: () => void): () => void;
	close(): Promise<void>;
}

/** Starts to listen, by one connection for all. When that was lost and is there again, everyone is woken. */
export function openFeed(options: {
	readonly url: string;
	readonly db: Db;
	readonly onError: (error: Error) => void;
}): Feed {
	const wakers = new Map<string, Set<() => void>>();
	const listener = listen({
		url: options.url,
		channel: eventsChannel,
		onNotice: (environment) => {
			for (const wake of wakers.get(environment) ?? []) wake();
		},
		onAgain: () => {
			for (const group of wakers.values()) for (const wake of group) wake();
		},
		onError: options.onError,
	});

	return {
		db: options.db,
		subscribe(environment, wake) {
			const group = wakers.get(environment) ?? new Set();
			wakers.set(environment, group);
			group.add(wake);
			return () => {
				group.delete(wake);
				if (group.size === 0) wakers.delete(environment);
			};
		},
		close: () => listener.close(),
	};
}
