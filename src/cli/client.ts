// A client of the HTTP API over fetch.
import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";

export interface Service {
	readonly url: string;
	readonly token: string;
}

export interface Answer {
	readonly status: number;
	readonly body: Record<string, unknown>;
}

const reconnectMs = 1_000;

/** One request. Any status is an answer; only a service that cannot be reached throws. */
export async function callApi(
	service: Service,
	method: string,
	path: string,
	body?: unknown,
): Promise<Answer> {
	const response = await fetch(`${service.url}${path}`, {
		method,
		headers: {
			authorization: `Bearer ${service.token}`,
			// Whatever the thing is by now.
			...(method === "PATCH" && { "if-match": "*" }),
			// Each call is a request of its own.
			...(method !== "GET" && { "idempotency-key": `"${randomUUID()}"` }),
			...(body !== undefined && { "content-type": "application/json" }),
		},
		...(body !== undefined && { body: JSON.stringify(body) }),
	});
	const text = await response.text();
	return {
		status: response.status,
		body: text === "" ? {} : (JSON.parse(text) as Record<string, unknown>),
	};
}

export interface StreamedEvent {
	readonly id: number;
	readonly type: string;
	readonly data: Record<string, unknown>;
}

/**
 * The events of a stream, each once, until the service says that it is over. A dropped connection is made
 * again behind the last event that arrived (WHATWG HTML, "Server-sent events": Last-Event-ID).
 */
export async function* followEvents(
	service: Service,
	path: string,
): AsyncGenerator<StreamedEvent, void, void> {
	let last = 0;
	for (;;) {
		try {
			for await (const message of readStream(service, path, last)) {
				if (message.event === "end") return;
				const event = JSON.parse(message.data) as StreamedEvent;
				last = event.id;
				yield event;
			}
		} catch (error) {
			if (error instanceof Refused) throw error;
		}
		await delay(reconnectMs);
	}
}

class Refused extends Error {}

interface Message {
	readonly event: string;
	readonly data: string;
}

async function* readStream(
	service: Service,
	path: string,
	last: number,
): AsyncGenerator<Message, void, void> {
	const response = await fetch(`${service.url}${path}`, {
		headers: {
			authorization: `Bearer ${service.token}`,
			accept: "text/event-stream",
			"last-event-id": String(last),
		},
	});
	if (response.status >= 400 && response.status < 500) {
		throw new Refused(`GET ${path} answered ${response.status}`);
	}
	if (!response.ok || response.body === null) return;
	let buffer = "";
	for await (const chunk of response.body.pipeThrough(
		new TextDecoderStream(),
	)) {
		buffer += chunk;
		const blocks = buffer.split("\n\n");
		buffer = blocks.pop() ?? "";
		for (const block of blocks) {
			const message = parseMessage(block);
			if (message !== undefined) yield message;
		}
	}
}

function parseMessage(block: string): Message | undefined {
	let event = "message";
	const data: string[] = [];
	for (const line of block.split("\n")) {
		if (line.startsWith("event:")) event = line.slice(6).trim();
		else if (line.startsWith("data:")) data.push(line.slice(5).trimStart());
	}
	return data.length === 0 && event === "message"
		? undefined
		: { event, data: data.join("\n") };
}
