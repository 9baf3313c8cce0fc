// One connection per process listens for "there is more" and wakes whoever follows that environment. A
// notice is only a hint: followers look at the table, also when no notice came for a while.
import pg from "pg";
import type { EnvironmentId } from "../domain/ids.ts";
import type { Db } from "../store/db.ts";
import { eventsChannel } from "../store/events.ts";

const reconnectMs = 1_000;

export interface Feed {
	readonly db: Db;
	/** Calls `wake` when the environment may have news, until the returned function is called. */
	subscribe(environment: EnvironmentId, wake: () => void): () => void;
	close(): Promise<void>;
}

/** Starts to listen. A lost connection is made again; everyone is woken then, since notices were missed. */
export function openFeed(options: {
	readonly url: string;
	readonly db: Db;
	readonly onError: (error: Error) => void;
}): Feed {
	const wakers = new Map<string, Set<() => void>>();
	let client: pg.Client | undefined;
	let timer: NodeJS.Timeout | undefined;
	let closed = false;

	const wakeAll = () => {
		for (const group of wakers.values()) for (const wake of group) wake();
	};

	const connect = async () => {
		const next = new pg.Client({
			connectionString: options.url,
			connectionTimeoutMillis: 5_000,
			keepAlive: true,
			application_name: "impresario feed",
		});
		let lost = false;
		const lose = (error: Error) => {
			if (lost || closed) return;
			lost = true;
			options.onError(error);
			next.end().catch(() => {});
			timer = setTimeout(connect, reconnectMs);
		};
		next.on("error", lose);
		next.on("end", () => lose(new Error("the connection ended")));
		next.on("notification", (notice) => {
			for (const wake of wakers.get(notice.payload ?? "") ?? []) wake();
		});
		client = next;
		try {
			await next.connect();
			await next.query(`listen ${eventsChannel}`);
			wakeAll();
		} catch (error) {
			lose(error instanceof Error ? error : new Error(String(error)));
		}
	};
	const connecting = connect();

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
		async close() {
			closed = true;
			clearTimeout(timer);
			await connecting;
			await client?.end().catch(() => {});
		},
	};
}
