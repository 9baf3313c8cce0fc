// The receiving side: a message becomes a claimed operation, a borrowed child and one attempt. A message
// is never believed: what is claimed, and whether anything is, the row says.
import { setTimeout as delay } from "node:timers/promises";
import type { Worker } from "bullmq";
import type { EnvironmentId, OperationId } from "../domain/ids.ts";
import { Failure } from "../failure.ts";
import type { Log } from "../log.ts";
import { apply } from "../operations/apply.ts";
import { claim, nudgeNext } from "../operations/claim.ts";
import type { Tools } from "../operations/work.ts";
import { openReceiver } from "../queue/connection.ts";
import type { Sender } from "../queue/enqueue.ts";
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
			async (job) => {
				const attempt = work(options, job.data as OperationId, stopping.signal);
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

/** A queue that is away does not answer that it is closed either. */
async function closeReceiver(worker: Worker<string>): Promise<void> {
	const timer = new AbortController();
	await Promise.race([
		worker.close(true).catch(() => {}),
		delay(closeWithinMs, undefined, timer).catch(() => {}),
	]);
	timer.abort();
	await worker.disconnect().catch(() => {});
}

/** A child first, a claim then: nothing is claimed that could not be begun at once. */
async function work(
	options: ConsumerOptions,
	id: OperationId,
	stopping: AbortSignal,
): Promise<void> {
	if (stopping.aborted) return;
	const { tools, log } = options;
	const lent = await options.pool.borrow(stopping);
	let environment: EnvironmentId;
	try {
		const ownership = await claim(
			{ db: tools.db, log },
			{ id, owner: options.owner },
		);
		if (ownership === undefined) return;
		environment = ownership.operation.environment;
		const end = await apply({
			tools: { ...tools, engine: lent.engine },
			ownership,
			stopping,
			log,
		});
		log.info({ operation: id, end }, "an attempt ended");
		if (end !== "final") return;
	} finally {
		lent.release();
	}
	await nudgeNext({ db: tools.db, sender: options.sender }, environment);
}
