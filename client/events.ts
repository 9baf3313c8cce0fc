// The messages of a stream of events (WHATWG HTML, "Server-sent events"), each once, over as many connections as it takes.
import type { Event } from "./declared.ts";
import { Problem } from "./problem.ts";
import { type Connection, pause, send } from "./requests.ts";

const reconnectMs = 1_000;

interface Message {
	readonly event: string;
	readonly data: string;
}

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
	for (;;) {
		try {
			const response = await send(connection, path, {
				headers: { accept: "text/event-stream", "last-event-id": `${last}` },
				...(signal && { signal }),
			});
			for await (const message of readMessages(response)) {
				if (message.event === "end") return;
				const event = JSON.parse(message.data) as Event;
				last = event.id;
				yield event;
			}
		} catch (error) {
			if (error instanceof Problem || signal?.aborted) throw error;
		}
		await pause(reconnectMs, signal);
	}
}

async function* readMessages(
	response: Response,
): AsyncGenerator<Message, void, void> {
	const reader = response.body?.getReader();
	if (reader === undefined) return;
	const decoder = new TextDecoder();
	let rest = "";
	try {
		for (;;) {
			const { done, value } = await reader.read();
			if (done) return;
			rest += decoder.decode(value, { stream: true });
			const blocks = rest.split("\n\n");
			rest = blocks.pop() ?? "";
			for (const block of blocks) {
				const message = parseMessage(block);
				if (message !== undefined) yield message;
			}
		}
	} finally {
		await reader.cancel().catch(() => {});
	}
}

function parseMessage(block: string): Message | undefined {
	let event = "message";
	const data: string[] = [];
	for (const line of block.split("\n")) {
		if (line.startsWith("event:")) event = line.slice(6).trim();
		else if (line.startsWith("data:")) data.push(line.slice(5).trimStart());
	}
	return data.length === 0 ? undefined : { event, data: data.join("\n") };
}
