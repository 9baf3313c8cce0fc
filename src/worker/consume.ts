// The receiving side: a message becomes a claimed operation, a borrowed child and one attempt. A message
// is never believed: what is claimed, and whether anything is, the row says.
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

export function startConsumer(options: ConsumerOptions): Consumer {
	const { log } = options;
	const stopping = new AbortController();
	const worker: Worker<string> = openReceiver(
		options.queueUrl,
		{ concurrency: options.concurrency, name: options.owner },
		async (job) => {
			await work(options, job.data as OperationId, stopping.signal);
		},
	);
	worker.on("error", (error) => log.warn({ err: error }, "the queue is away"));
	worker.on("failed", (job, error) =>
		// The message is gone; the row is not, and the sweep sends it again.
		log.warn({ err: error, operation: job?.data }, "a message was given up"),
	);
	return {
		async close() {
			stopping.abort(
				new Failure({ code: "cancelled", message: "The worker stops." }),
			);
			await worker.close();
		},
	};
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
