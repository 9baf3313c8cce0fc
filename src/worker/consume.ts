// The receiving side: a message becomes a claimed operation, a borrowed child and one attempt. A message
// is never believed: it says that there is work. Which is claimed, and whether anything is, the rows say.
import { setTimeout as delay } from "node:timers/promises";
import type { Worker } from "bullmq";
import { parseTraceparent } from "../domain/trace.ts";
import { Failure } from "../failure.ts";
import type { Log } from "../log.ts";
import { apply } from "../operations/apply.ts";
import { claimNext } from "../operations/claim.ts";
import type { Tools } from "../operations/work.ts";
import { openReceiver } from "../queue/connection.ts";
import { endWithin, type Sender } from "../queue/enqueue.ts";
import type { Pool } from "./pool.ts";

export interface ConsumerOptions {
	readonly queueUrl: string;
	/** Names this worker in leases: host and process. */
	readonly owner: string;
	readonly concurrency: number;
	readonly pool: Pick<Pool, "borrow">;
	readonly tools: Omit<Tools, "engine">;
	readonly sender: Pick<Sender, "enqueue">;
	readonly log: Log;
}

export interface Consumer {
	/** Takes no more messages, hands over what runs, and fulfils when nothing runs any more. */
	close(): Promise<void>;
}

const reopenAfterMs = 1_000;
const closeWithinMs = 5_000;

export function startConsumer(options: ConsumerOptions): Consumer {
	const { log } = options;
	const stopping = new AbortController();
	const active = new Set<Promise<void>>();

	const open = (): Worker<string> => {
		const worker = openReceiver(
			options.queueUrl,
			{ concurrency: options.concurrency, name: options.owner },
			async () => {
				const attempt = work(options, stopping.signal);
				active.add(attempt);
				await attempt.finally(() => active.delete(attempt));
			},
		);
		worker.on("error", (error) =>
			log.warn({ err: error }, "the queue is away"),
		);
		worker.on("failed", (job, error) =>
			// The message is gone; the row is not, and the sweep sends it again.
			log.warn({ err: error, operation: job?.data }, "a message was given up"),
		);
		return worker;
	};

	let worker = open();
	// A receiver whose first connection failed never comes back (BullMQ keeps the rejected promise).
	const opening = (async () => {
		while (!stopping.signal.aborted) {
			try {
				await worker.waitUntilReady();
				return;
			} catch (error) {
				log.warn({ err: error }, "the queue is away; trying again");
			}
			await closeReceiver(worker);
			await delay(reopenAfterMs);
			if (!stopping.signal.aborted) worker = open();
		}
	})();

	return {
		async close() {
			stopping.abort(
				new Failure({ code: "cancelled", message: "The worker stops." }),
			);
			await Promise.allSettled(active);
			await closeReceiver(worker);
			await Promise.race([opening, delay(closeWithinMs)]);
		},
	};
}

/** A queue that is away does not answer that it is closed, or disconnected, either. */
async function closeReceiver(worker: Worker<string>): Promise<void> {
	await endWithin(closeWithinMs, worker.close(true)).catch(() => {});
	await endWithin(closeWithinMs, worker.disconnect()).catch(() => {});
}

/**
 * Goes on until there is nothing more to claim: the end of one operation may let others begin, whose messages came when
 * they could not.
 */
async function work(
	options: ConsumerOptions,
	stopping: AbortSignal,
): Promise<void> {
	while (!stopping.aborted && (await workOnce(options, stopping)));
}

/** A child first, a claim then: nothing is claimed that could not be begun at once. Returns whether anything was. */
async function workOnce(
	options: ConsumerOptions,
	stopping: AbortSignal,
): Promise<boolean> {
	const { tools, log, sender } = options;
	const lent = await options.pool.borrow(stopping);
	try {
		const claimed = await claimNext({ db: tools.db, log }, options.owner);
		if (claimed === undefined) return false;
		const { ownership, next } = claimed;
		// Not waited for. If its message waits in the queue still, this is the same one.
		if (next !== undefined) void sender.enqueue(next.id, next.sends);
		const end = await apply({
			tools: { ...tools, engine: lent.engine },
			ownership,
			stopping,
			log,
		});
		const { operation, traceparent } = ownership;
		const { traceId } = parseTraceparent(traceparent ?? undefined) ?? {};
		log.info({ operation: operation.id, traceId, end }, "an attempt ended");
		return true;
	} finally {
		lent.release();
	}
}
