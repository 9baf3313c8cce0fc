// PostgreSQL or Redis, by the URL; senders and receivers do not know which.
import {
	createPostgresBackend,
	type Processor,
	Queue,
	Worker,
	type WorkerOptions,
} from "bullmq";
import { Failure } from "../failure.ts";

const queueName = "operations";
/** BullMQ's own tables, beside ours. */
const postgresSchema = "bullmq";
// Enough for a sender and a receiver; BullMQ's LISTEN connection is one more.
const postgresConnections = 4;

// Removed at once, because a job's id is free for the next message only then. What happened is in our rows.
const forget = { removeOnComplete: true, removeOnFail: true } as const;

type Kind = "postgres" | "redis";

/** Throws `not_set_up` for a URL of any other kind. */
export function decideQueueKind(url: string): Kind {
	if (/^postgres(ql)?:/.test(url)) return "postgres";
	if (/^rediss?:/.test(url)) return "redis";
	throw new Failure({
		code: "not_set_up",
		message: "The queue's URL is neither postgres:// nor redis://.",
		advice: "Correct QUEUE_URL, or unset it to keep the queue in DATABASE_URL.",
	});
}

const postgresConnection = (url: string) => ({
	connectionString: url,
	schema: postgresSchema,
	// BullMQ brings its own tables up to date under a lock of its own.
	migrate: true,
	max: postgresConnections,
	connectionTimeoutMillis: 5_000,
	// A message that a crash takes with it changes nothing, so none waits for the disk. Our rows do.
	options: "-c synchronous_commit=off",
});

/** A sender fails fast: an order is safe in its row, and the sweep sends what could not be sent. */
export function openQueue(url: string): Queue {
	if (decideQueueKind(url) === "postgres") {
		return new Queue(
			queueName,
			{
				connection: postgresConnection(url),
				skipWaitingForReady: true,
				defaultJobOptions: forget,
			},
			createPostgresBackend,
		) as unknown as Queue;
	}
	return new Queue(queueName, {
		// Commands before the connection stands are kept, for BullMQ's own first ones; one retry, then an error.
		connection: { url, maxRetriesPerRequest: 1 },
		skipWaitingForReady: true,
		defaultJobOptions: forget,
	});
}

/** A receiver waits for its connection for ever and takes up to `concurrency` messages at once. */
export function openReceiver(
	url: string,
	options: { readonly concurrency: number; readonly name: string },
	processor: Processor<string>,
): Worker<string> {
	const settings: Omit<WorkerOptions, "connection"> = {
		name: options.name,
		concurrency: options.concurrency,
		// Losing BullMQ's lock means nothing here: the lease in the row decides, and the sweep sends again.
		maxStalledCount: 0,
		...{ removeOnComplete: { count: 0 }, removeOnFail: { count: 0 } },
	};
	if (decideQueueKind(url) === "postgres") {
		return new Worker(
			queueName,
			processor,
			{ ...settings, connection: postgresConnection(url) },
			createPostgresBackend,
		) as unknown as Worker<string>;
	}
	return new Worker(queueName, processor, {
		...settings,
		connection: { url, maxRetriesPerRequest: null },
	});
}
