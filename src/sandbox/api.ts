// The sandbox's own door to its API server: as little of a client as its set-up and its players need, so that
// nothing of the service's cluster station is used to prepare the cluster that it is tested on.

import type { IncomingMessage } from "node:http";
import { Agent, type RequestOptions, request } from "node:https";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { Failure, type FailureCode } from "../failure.ts";
import type { Pair } from "./x509.ts";

const answerWithinMs = 10_000;

/** What every Kubernetes object has, as far as it is needed here. */
export interface ApiObject {
	readonly metadata: {
		readonly name: string;
		readonly namespace?: string;
		readonly uid: string;
		readonly labels?: Readonly<Record<string, string>>;
		readonly annotations?: Readonly<Record<string, string>>;
		readonly resourceVersion: string;
		readonly deletionTimestamp?: string;
	};
}

export interface ApiList<Item> {
	readonly metadata: { readonly resourceVersion: string };
	readonly items: readonly Item[];
}

export interface WatchEvent<Item> {
	readonly type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK" | "ERROR";
	readonly object: Item;
}

export interface Api {
	find<Result>(path: string): Promise<Result>;
	create(path: string, body: object): Promise<void>;
	/** Server-side apply: creates or brings to what is said, any number of times. */
	apply(path: string, body: object): Promise<void>;
	/** Deletes one object, or all that a list's path names. */
	remove(path: string): Promise<void>;
	/** JSON merge patch. */
	patch(path: string, body: object): Promise<void>;
	/** Yields changes after the list's version until the server ends the watch or the signal aborts. */
	watch<Item>(
		path: string,
		signal: AbortSignal,
	): AsyncGenerator<WatchEvent<Item>>;
	close(): void;
}

/** Opens a client. Its calls throw a Failure: `unavailable` when there is no answer, otherwise by the answer's status. */
export function openApi(options: {
	readonly server: string;
	readonly authority: string;
	readonly client: Pair;
}): Api {
	const agent = new Agent({
		keepAlive: true,
		ca: options.authority,
		cert: options.client.certificate,
		key: options.client.key,
	});
	const send = (call: Call) =>
		exchange(new URL(call.path, options.server), call, agent);
	const read = async (call: Call) => text(await send(call));
	return {
		find: async <Result>(path: string) =>
			JSON.parse(await read({ method: "GET", path })) as Result,
		create: async (path, body) => {
			await read({ method: "POST", path, body, type: "application/json" });
		},
		apply: async (path, body) => {
			await read({
				method: "PATCH",
				path: `${path}?fieldManager=impresario-sandbox&force=true`,
				body,
				type: "application/apply-patch+yaml",
			});
		},
		remove: async (path) => {
			await read({ method: "DELETE", path });
		},
		patch: async (path, body) => {
			await read({
				method: "PATCH",
				path,
				body,
				type: "application/merge-patch+json",
			});
		},
		async *watch<Item>(path: string, signal: AbortSignal) {
			const answer = await send({ method: "GET", path, signal });
			try {
				for await (const line of createInterface({ input: answer })) {
					if (line !== "") yield JSON.parse(line) as WatchEvent<Item>;
				}
			} catch {
				// A connection that breaks ends the watch like one that the server closes.
			}
		},
		close: () => agent.destroy(),
	};
}

interface Call {
	readonly method: string;
	readonly path: string;
	readonly body?: object;
	readonly type?: string;
	/** For what goes on until it is aborted; anything else has ten seconds. */
	readonly signal?: AbortSignal;
}

async function exchange(
	url: URL,
	call: Call,
	agent: Agent,
): Promise<IncomingMessage> {
	const options: RequestOptions = {
		agent,
		method: call.method,
		signal: call.signal ?? AbortSignal.timeout(answerWithinMs),
		headers: {
			accept: "application/json",
			...(call.type === undefined ? {} : { "content-type": call.type }),
		},
	};
	const answer = await new Promise<IncomingMessage>((fulfil, reject) => {
		const sent = request(url, options, fulfil);
		sent.once("error", reject);
		sent.end(call.body === undefined ? undefined : JSON.stringify(call.body));
	}).catch((cause: unknown) => {
		throw new Failure({
			code: "unavailable",
			message: `The sandbox's API server did not answer ${call.method} ${url.pathname}.`,
			retryable: true,
			cause,
		});
	});
	const status = answer.statusCode ?? 0;
	if (status < 300) return answer;
	throw new Failure({
		code: codeOf(status),
		message: `The sandbox's API server refused ${call.method} ${url.pathname} (${status}): ${await readMessage(answer)}`,
		retryable: status >= 500 || status === 429,
	});
}

function codeOf(status: number): FailureCode {
	if (status === 404) return "not_found";
	if (status === 409) return "conflict";
	if (status === 403) return "forbidden";
	return status >= 500 || status === 429 ? "unavailable" : "internal";
}

async function readMessage(answer: IncomingMessage): Promise<string> {
	const body = await text(answer);
	try {
		const { message } = JSON.parse(body) as { message?: string };
		return message ?? body;
	} catch {
		return body;
	}
}
