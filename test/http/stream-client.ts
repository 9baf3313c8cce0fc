// A reader of text/event-stream that can be looked into, left and kept from reading.
import { type IncomingMessage, request } from "node:http";

export interface Message {
	readonly id?: string;
	readonly event?: string;
	readonly data?: string;
	readonly retry?: string;
	/** Of a line that begins with a colon. */
	readonly comment?: string;
}

export interface StreamReader {
	readonly response: IncomingMessage;
	readonly messages: Message[];
	/** Ids of the events so far. */
	ids(): number[];
	/** Whether the service closed the stream in good order. */
	isOver(): boolean;
	leave(): void;
}

/** Fulfils once the head of the answer is there. */
export function openStream(
	url: string,
	headers: Readonly<Record<string, string>>,
): Promise<StreamReader> {
	return new Promise((fulfil, reject) => {
		const sent = request(url, {
			headers: { accept: "text/event-stream", ...headers },
			agent: false,
		});
		sent.on("error", reject);
		sent.on("response", (response) => fulfil(read(response)));
		sent.end();
	});
}

function read(response: IncomingMessage): StreamReader {
	const messages: Message[] = [];
	let rest = "";
	let over = false;
	response.setEncoding("utf8");
	response.on("data", (chunk: string) => {
		const blocks = (rest + chunk).split("\n\n");
		rest = blocks.pop() ?? "";
		messages.push(...blocks.map(parse));
	});
	response.on("end", () => {
		over = true;
	});
	response.on("error", () => {});
	return {
		response,
		messages,
		ids: () =>
			messages.flatMap(({ id }) => (id === undefined ? [] : [Number(id)])),
		isOver: () => over,
		leave: () => response.destroy(),
	};
}

const parse = (block: string): Message =>
	Object.fromEntries(
		block.split("\n").map((line) => {
			const at = line.indexOf(":");
			return [
				line.slice(0, at) || "comment",
				line.slice(at + 1).replace(/^ /, ""),
			];
		}),
	);
