// The sending side. A message is an operation's id and nothing else; losing, doubling or delaying it
// changes nothing.
import type { OperationId } from "../domain/ids.ts";
import type { Log } from "../log.ts";
import { openQueue } from "./connection.ts";

export interface Sender {
	/**
	 * Puts the id onto the queue. `attempt` is the number of claims so far: the same message sent twice for the
	 * same claim is one message, while a message that died with its worker does not stand in the next one's way.
	 * Never throws: what could not be sent is logged, and the sweep sends it again.
	 */
	enqueue(id: OperationId, attempt: number): Promise<void>;
	close(): Promise<void>;
}

export function openSender(url: string, log: Log): Sender {
	const queue = openQueue(url);
	const report = (error: Error) =>
		log.warn({ err: error }, "the queue is away");
	queue.on("error", report);
	return {
		async enqueue(id, attempt) {
			try {
				await queue.add("operation", id, { jobId: `${id}.${attempt}` });
			} catch (error) {
				log.warn(
					{ err: error, operation: id },
					"an operation could not be put on the queue; the sweep will send it",
				);
			}
		},
		async close() {
			await queue.close().catch(report);
		},
	};
}
