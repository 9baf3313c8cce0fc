// A stream of events as text/event-stream (WHATWG HTML, "Server-sent events").
import { once } from "node:events";
import type { ServerResponse } from "node:http";
import type { Limits } from "./limits.ts";

/** Why a stream is ended by us whose reader is to be back soon, at another process. */
export const comeBack = new Error("the process is about to stop");
/** All readers of a process that stops come back within this time, and not at once. */
const comeBackWithinMs = 5_000;

export interface StreamedEvent {
	readonly id: number;
	readonly type: string;
	/** By which a client says where it was, if not by the id. */
	readonly cursor?: string;
}

/** An answer that goes on. */
export interface EventStream {
	readonly stream: AsyncIterable<StreamedEvent>;
	/** Where it begins, for a client that is cut off before the first event. */
	readonly begin?: string;
}

interface StreamOptions
	extends Pick<Limits, "pingMs" | "reconnectMs" | "slowReaderMs"> {
	readonly signal: AbortSignal;
	readonly onPing: () => void;
	readonly begin?: string | undefined;
}

/**
 * Sends the events as they come, waiting for a reader that is slower; one that does not read at all is
 * disconnected. At their end says so and closes. When the signal aborts, or the events throw, it closes
 * without a word: the client then comes back and goes on behind the last event that it saw.
 */
export async function sendStream(
	response: ServerResponse,
	events: AsyncIterable<StreamedEvent>,
	options: StreamOptions,
): Promise<void> {
	const { signal } = options;
	response.writeHead(200, {
		"content-type": "text/event-stream; charset=utf-8",
		// Compression would hold events back.
		"cache-control": "no-store, no-transform",
		"x-accel-buffering": "no",
	});
	response.write(`retry: ${options.reconnectMs}\n\n`);
	// An id without data is remembered, and is no event.
	if (options.begin !== undefined) response.write(`id: ${options.begin}\n\n`);
	const ping = setInterval(() => {
		options.onPing();
		if (!response.writableNeedDrain) response.write(": ping\n\n");
	}, options.pingMs);
	try {
		for await (const event of events) {
			await write(response, formatEvent(event), options);
		}
		if (!signal.aborted) response.write("event: end\ndata: {}\n\n");
	} catch (error) {
		if (!signal.aborted) throw error;
	} finally {
		clearInterval(ping);
		if (signal.reason === comeBack) {
			const ms = Math.ceil(Math.random() * comeBackWithinMs);
			response.write(`retry: ${ms}\n\n`);
		}
		response.end();
	}
}

const formatEvent = (event: StreamedEvent): string =>
	`id: ${event.cursor ?? event.id}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;

async function write(
	response: ServerResponse,
	text: string,
	{ signal, slowReaderMs }: StreamOptions,
): Promise<void> {
	signal.throwIfAborted();
	if (response.write(text)) return;
	const timer = setTimeout(() => response.destroy(), slowReaderMs);
	try {
		await once(response, "drain", { signal });
	} finally {
		clearTimeout(timer);
	}
}
