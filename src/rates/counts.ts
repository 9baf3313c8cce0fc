// The counts that all processes share, in PostgreSQL or in Redis, by the URL. A window of a key begins with the first
// point that is counted in it. Its time is the clock of who counts: clocks that differ blur its ends by as much.
import { Redis } from "ioredis";
import pg from "pg";
import {
	RateLimiterPostgres,
	RateLimiterRedis,
	type RateLimiterStoreAbstract,
} from "rate-limiter-flexible";

/** What is known of a key once some points were added to it. */
export interface Count {
	/** With those that were just added. */
	readonly points: number;
	/** Until the window ends and the count begins anew, in milliseconds. */
	readonly leftMs: number;
}

export interface SharedCounts {
	/** Adds points to a key's present window, and ends within about a second. Throws when the store is away. */
	add(key: string, points: number): Promise<Count>;
	close(): Promise<void>;
}

export const windowSeconds = 60;

// Requests wait for it, so a store that does not answer is soon taken as away.
const defaultPatienceMs = 500;

interface Options {
	readonly url: string;
	/** A connection broke. The next one is made by itself. */
	onError(error: Error): void;
	/** How long the store may take to answer. */
	readonly patienceMs?: number;
}

/** Connects lazily. */
export function openSharedCounts(options: Options): SharedCounts {
	return /^rediss?:/.test(options.url) ? openRedis(options) : openPool(options);
}

/** Connections of its own: orders that hold all of the others must not hold up who would only be told to wait. */
function openPool({
	url,
	onError,
	patienceMs = defaultPatienceMs,
}: Options): SharedCounts {
	const pool = new pg.Pool({
		connectionString: url,
		max: 2,
		connectionTimeoutMillis: patienceMs,
		query_timeout: patienceMs,
		idleTimeoutMillis: 30_000,
		keepAlive: true,
		application_name: "impresario rates",
		// Counts that a crash takes with it are no loss.
		options: "-c synchronous_commit=off",
	});
	pool.on("error", onError);
	pool.on("connect", (client) => client.on("error", onError));
	const limiter = new RateLimiterPostgres({
		...common,
		storeClient: pool,
		storeType: "pool",
		tableName: "rate_limits",
		// By a migration.
		tableCreated: true,
	});
	return {
		add: (key, points) => add(limiter, key, points),
		close: () => pool.end(),
	};
}

function openRedis({
	url,
	onError,
	patienceMs = defaultPatienceMs,
}: Options): SharedCounts {
	const client = new Redis(url, {
		lazyConnect: true,
		maxRetriesPerRequest: 0,
		commandTimeout: patienceMs,
		connectTimeout: patienceMs,
	});
	client.on("error", onError);
	const limiter = new RateLimiterRedis({ ...common, storeClient: client });
	return {
		add: (key, points) => add(limiter, key, points),
		async close() {
			client.disconnect();
		},
	};
}

/** What is allowed is decided by who takes: the store only counts. */
const common = {
	keyPrefix: "impresario",
	points: Number.MAX_SAFE_INTEGER,
	duration: windowSeconds,
};

async function add(
	limiter: RateLimiterStoreAbstract,
	key: string,
	points: number,
): Promise<Count> {
	const count = await limiter.penalty(key, points);
	return { points: count.consumedPoints, leftMs: count.msBeforeNext };
}
