// The sending side. A message is an operation's id and nothing else; losing, doubling or delaying it
// changes nothing.
import type { Queue } from "bullmq";
import type { OperationId } from "../domain/ids.ts";
import { Failure } from "../failure.ts";
import type { Log } from "../log.ts";
import { openQueue } from "./connection.ts";

const sendWithinMs = 2_000;
// In PostgreSQL BullMQ makes two temporary tables for each bulk: the price of about a dozen messages.
const bulkFrom = 20;

export interface Sender {
	/**
	 * Puts the id onto the queue. `sends` is how often the sweep has sent it: the same sending asked for twice is one
	 * message, while a message that a killed worker had taken does not stand in the next one's way.
	 * Never throws and ends within four seconds, two of them for what was on its way before: what could not be sent
	 * is logged, and the sweep sends it again.
	 */
	enqueue(id: OperationId, sends: number): Promise<void>;
	/** Throws `unavailable`, within two seconds, when the queue does not answer. */
	reach(): Promise<void>;
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
	let isClosed = false;

	const use = async (work: (queue: Queue) => Promise<unknown>) => {
		const used = queue;
		try {
			await endWithin(sendWithinMs, work(used));
		} catch (error) {
			// A queue whose first connection failed says so for ever (BullMQ keeps the rejected promise).
			if (queue === used && !isClosed) {
				queue = open();
				void closeQueue(used);
			}
			throw error;
		}
	};

	const send = async (messages: readonly Message[]): Promise<void> => {
		try {
			await use((used) => put(used, messages));
		} catch (error) {
			log.warn(
				{ err: error, operations: messages.map(({ id }) => id) },
				"operations could not be put on the queue; the sweep will send them",
			);
		}
	};

	// While messages are on their way the next ones gather, and then go together. Orders do not wait for the queue, so
	// under load it would otherwise fall behind them, further and further.
	let lastSent = Promise.resolve();
	const gathered: Message[] = [];

	return {
		enqueue(id, sends) {
			gathered.push({ id, sends });
			if (gathered.length === 1) {
				lastSent = lastSent.then(() => send(gathered.splice(0)));
			}
			return lastSent;
		},
		async reach() {
			try {
				// A look at one small value, whatever waits.
				await use((used) => used.isPaused());
			} catch (cause) {
				throw new Failure({
					code: "unavailable",
					message:
						"The queue does not answer. Orders are taken, and begin when it is back.",
					advice: "Look at QUEUE_URL, and at the server that it names.",
					retryable: true,
					cause,
				});
			}
		},
		close() {
			isClosed = true;
			return closeQueue(queue);
		},
	};
}

interface Message {
	readonly id: OperationId;
	readonly sends: number;
}

async function put(queue: Queue, messages: readonly Message[]): Promise<void> {
	const jobs = messages.map(({ id, sends }) => ({
		name: "operation",
		data: id,
		opts: { jobId: `${id}.${sends}` },
	}));
	if (jobs.length < bulkFrom) {
		await Promise.all(
			jobs.map(({ name, data, opts }) => queue.add(name, data, opts)),
		);
	} else {
		await queue.addBulk(jobs);
	}
}

/** Rejects as the work does, and when it takes longer than `ms`. */
// Not an abortable delay: this is on the road of every order, and an abort makes an error each time.
export function endWithin(ms: number, work: Promise<unknown>): Promise<void> {
	return new Promise((fulfil, reject) => {
		const timer = setTimeout(() => {
			reject(new Error(`the queue took longer than ${ms} ms`));
		}, ms);
		work.then(() => fulfil(), reject).finally(() => clearTimeout(timer));
	});
}

/** A queue that is away does not answer that it is closed either, nor that it is disconnected. */
async function closeQueue(queue: Queue): Promise<void> {
	await endWithin(sendWithinMs, queue.close()).catch(() => {});
	await endWithin(sendWithinMs, queue.disconnect()).catch(() => {});
}
