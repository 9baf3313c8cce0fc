// The messages of a stream of events (WHATWG HTML, "Server-sent events"), each once, over as many connections as it takes.
import type { Event } from "./declared.ts";
import { readPieces } from "./pieces.ts";
import { Problem } from "./problem.ts";
import { type Connection, pause, send } from "./requests.ts";

const reconnectMs = 1_000;

interface Message {
	readonly event: string;
	readonly data: string;
	/** How long the service asks to wait before one comes back. */
	readonly retryMs: number | undefined;
}

/** A service that is away, or asked too often, is neither for good. */
const isFinal = (error: unknown): boolean =>
	error instanceof Problem && error.status !== 429 && error.status !== 503;

/**
 * The events until the service says that no more will come. A connection that breaks is made again, behind the last event
 * that arrived. Throws `Problem` where the stream is refused.
 */
export async function* followEvents(
	connection: Connection,
	path: string,
	{ after = 0, signal }: { after?: number; signal?: AbortSignal } = {},
): AsyncGenerator<Event, void, void> {
	let last = after;
	let pauseMs = reconnectMs;
	for (;;) {
		try {
			const response = await send(connection, path, {
				headers: { accept: "text/event-stream", "last-event-id": `${last}` },
				...(signal && { signal }),
			});
			for await (const block of readPieces(response, "\n\n")) {
				const message = parseMessage(block);
				if (message === undefined) continue;
				if (message.retryMs !== undefined) pauseMs = message.retryMs;
				if (message.event === "end") return;
				if (message.data === "") continue;
				const event = JSON.parse(message.data) as Event;
				last = event.id;
				yield event;
			}
		} catch (error) {
			if (signal?.aborted || isFinal(error)) throw error;
		}
		await pause(pauseMs, signal);
	}
}

function parseMessage(block: string): Message | undefined {
	let event = "message";
	let retryMs: number | undefined;
	const data: string[] = [];
	for (const line of block.split("\n")) {
		if (line.startsWith("event:")) event = line.slice(6).trim();
		else if (/^retry: ?\d+$/.test(line)) retryMs = Number(line.slice(6));
		else if (line.startsWith("data:")) data.push(line.slice(5).trimStart());
	}
	if (data.length === 0 && retryMs === undefined) return undefined;
	return { event, data: data.join("\n"), retryMs };
}
