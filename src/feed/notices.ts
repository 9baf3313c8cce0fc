// One connection that listens for what PostgreSQL announces. A notice is only a hint: whoever gets it looks at the tables,
// also when none came for a while.
import pg from "pg";

const reconnectMs = 1_000;

export interface Listener {
	close(): Promise<void>;
}

/**
 * Starts to listen on a channel. A lost connection is made again; `onAgain` is called each time that it is there, since
 * notices were missed.
 */
export function listen(options: {
	readonly url: string;
	readonly channel: string;
	readonly onNotice: (payload: string) => void;
	readonly onAgain: () => void;
	readonly onError: (error: Error) => void;
}): Listener {
	let client: pg.Client | undefined;
	let timer: NodeJS.Timeout | undefined;
	let closed = false;

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
		next.on("notification", ({ payload }) => options.onNotice(payload ?? ""));
		client = next;
		try {
			await next.connect();
			await next.query(`listen ${options.channel}`);
			options.onAgain();
		} catch (error) {
			lose(error instanceof Error ? error : new Error(String(error)));
		}
	};
	const connecting = connect();

	return {
		async close() {
			closed = true;
			clearTimeout(timer);
			await connecting;
			await client?.end().catch(() => {});
		},
	};
}
