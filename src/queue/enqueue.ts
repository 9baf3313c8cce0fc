// The sending side. A message is an operation's id and nothing else; losing, doubling or delaying it
// changes nothing.
import { setTimeout as delay } from "node:timers/promises";
import type { Queue } from "bullmq";
import type { OperationId } from "../domain/ids.ts";
import type { Log } from "../log.ts";
import { openQueue } from "./connection.ts";

const sendWithinMs = 2_000;

export interface Sender {
	/**
	 * Puts the id onto the queue. `sends` is how often the sweep has sent it: the same sending asked for twice is one
	 * message, while a message that a killed worker had taken does not stand in the next one's way.
	 * Never throws and ends within two seconds: what could not be sent is logged, and the sweep sends it again.
	 */
	enqueue(id: OperationId, sends: number): Promise<void>;
	close(): Promise<void>;
}

export function openSender(url: string, log: Log): Sender {
	const report = (error: Error) =>
		log.warn({ err: error }, "the queue is away");
	const open = (): Queue => {
		const queue = openQueue(url);
		queue.on("error", report);
		return queue;
	};
	let queue = open();

	const send = async (id: OperationId, sends: number): Promise<void> => {
		const timer = new AbortController();
		const tooLate = delay(sendWithinMs, undefined, timer).then(() => {
			throw new Error(`the queue took longer than ${sendWithinMs} ms`);
		});
		const sent = queue.add("operation", id, { jobId: `${id}.${sends}` });
		// Whichever comes second has nobody who waits for it.
		sent.catch(() => {});
		tooLate.catch(() => {});
		try {
			await Promise.race([sent, tooLate]);
		} finally {
			timer.abort();
		}
	};

	return {
		async enqueue(id, sends) {
			const used = queue;
			try {
				await send(id, sends);
			} catch (error) {
				log.warn(
					{ err: error, operation: id },
					"an operation could not be put on the queue; the sweep will send it",
				);
				// A queue whose first connection failed says so for ever (BullMQ keeps the rejected promise).
				if (queue === used) {
					queue = open();
					void closeQueue(used);
				}
			}
		},
		close: () => closeQueue(queue),
	};
}

/** A queue that is away does not answer that it is closed either. */
async function closeQueue(queue: Queue): Promise<void> {
	const timer = new AbortController();
	await Promise.race([
		queue.close().catch(() => {}),
		delay(sendWithinMs, undefined, timer).catch(() => {}),
	]);
	timer.abort();
	await queue.disconnect().catch(() => {});
}
