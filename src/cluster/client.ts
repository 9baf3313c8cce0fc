// Requests to one API server. The client library reads the kubeconfig and authenticates; the requests are our
// own, because the library opens a new connection for each, and its watch drops the reason of a refusal.
import { once } from "node:events";
import http, { type IncomingMessage } from "node:http";
import https, { type RequestOptions } from "node:https";
import { text } from "node:stream/consumers";
import { Failure } from "../failure.ts";
import {
	makeCancelled,
	makeConnectionFailure,
	makeRefusalFailure,
	makeUnavailable,
} from "./failures.ts";
import { loadKubeconfig } from "./kubeconfig.ts";
import type { ClusterLimits } from "./limits.ts";
import type { Status } from "./objects.ts";

export interface ApiRequest {
	/** For the reader of a failure: "list pods in namespace acme-qa-1". */
	readonly what: string;
	/** A PATCH is a JSON merge patch (RFC 7386). */
	readonly method?: "GET" | "POST" | "PATCH" | "DELETE";
	readonly path: string;
	readonly query?: Readonly<Record<string, string>>;
	readonly body?: object;
	/** The form of the answer; JSON of the whole object if it is not said. */
	readonly accept?: string;
	readonly signal: AbortSignal;
}

export type Answer<T> =
	| { readonly ok: true; readonly body: T }
	| {
			readonly ok: false;
			readonly status: number;
			readonly body: Partial<Status>;
	  };

export type WatchEvent<T> =
	| {
			readonly type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK";
			readonly object: T;
	  }
	| { readonly type: "ERROR"; readonly object: Partial<Status> };

export interface Client {
	/** The API server's address for messages, without credentials. */
	readonly address: string;
	readonly limits: ClusterLimits;
	/** Answers 404, 409 and 410 are the caller's to judge; other refusals are thrown. */
	send<T>(request: ApiRequest): Promise<Answer<T>>;
	/** Fulfils once the watch is open. It ends when the server ends it, and throws when the connection breaks. */
	watch<T>(request: ApiRequest): Promise<AsyncIterable<WatchEvent<T>>>;
	close(): void;
}

const readiness = { what: "ask whether it is ready", path: "/readyz" };
const judgedByCaller = [404, 409, 410];

/** The client of one API server. Throws `not_set_up` if the kubeconfig is of no use. */
export function makeClient(kubeconfig: string, limits: ClusterLimits): Client {
	const access = loadKubeconfig(kubeconfig);
	const { address } = access;
	const transport = access.isSecure ? https : http;
	// No TLS options here: those of a request take part in choosing its connection, so a renewed certificate is used.
	const agent = new transport.Agent({ keepAlive: true });

	async function open(
		request: ApiRequest,
		signal: AbortSignal,
	): Promise<IncomingMessage> {
		const url = new URL(address + request.path);
		url.search = new URLSearchParams(request.query).toString();
		const options: RequestOptions = {
			method: request.method ?? "GET",
			headers: {
				accept: request.accept ?? "application/json",
				"user-agent": "impresario",
			},
			signal,
		};
		await access.authenticate(options);
		const body = request.body && JSON.stringify(request.body);
		for (;;) {
			const sent = transport.request(url, { agent, ...options });
			// Once there is a response, it tells of errors; here they would be nobody's.
			sent.on("error", () => undefined);
			// Finds a peer that vanished without a word sooner than the end of a watch does.
			sent.setSocketKeepAlive(true, 10_000);
			if (body !== undefined) {
				sent.setHeader(
					"content-type",
					request.method === "PATCH"
						? "application/merge-patch+json"
						: "application/json",
				);
				// Node gives a DELETE no length by itself; its body would be taken for the next request.
				sent.setHeader("content-length", Buffer.byteLength(body));
			}
			sent.end(body);
			try {
				const [response] = (await once(sent, "response")) as [IncomingMessage];
				return response;
			} catch (error) {
				// The server may close a kept connection just as we use it. Every request of ours may be repeated.
				if (!(sent.reusedSocket && hasCode(error, "ECONNRESET"))) throw error;
			}
		}
	}

	/**
	 * A server that has just started refuses everybody until it has read who may what. So a 403 counts once the server
	 * says that it is ready, and says the same again. Its `/readyz` may be read by everybody, where nobody changed that.
	 */
	async function ask(
		request: ApiRequest,
		signal: AbortSignal,
	): Promise<IncomingMessage> {
		const response = await open(request, signal);
		if (response.statusCode !== 403) return response;
		const said = parseStatus(await text(response)).message ?? "";
		const ready = await open({ ...readiness, signal }, signal);
		ready.resume();
		if (ready.statusCode === 403 || (ready.statusCode ?? 0) >= 500) {
			throw makeUnavailable(
				address,
				`it answers 403 (${said}) and is not ready: a server that has just started knows no rights yet`,
			);
		}
		return open(request, signal);
	}

	async function parseAnswer<T>(
		request: ApiRequest,
		response: IncomingMessage,
	): Promise<Answer<T>> {
		const status = response.statusCode ?? 0;
		const raw = await text(response);
		if (status >= 200 && status < 300) {
			return { ok: true, body: JSON.parse(raw) as T };
		}
		const body = parseStatus(raw);
		if (judgedByCaller.includes(status)) return { ok: false, status, body };
		throw makeRefusalFailure({ address, what: request.what, status, body });
	}

	function explain(request: ApiRequest, error: unknown, deadline: Deadline) {
		if (request.signal.aborted) {
			return makeCancelled(`The request to ${request.what} was cancelled.`);
		}
		if (error instanceof Failure) return error;
		if (deadline.signal.aborted) {
			const words = `it did not answer within ${deadline.ms / 1000} s`;
			return makeUnavailable(address, words, error);
		}
		if (error instanceof SyntaxError) {
			return makeUnavailable(address, "what answers there is no JSON", error);
		}
		return makeConnectionFailure(address, error);
	}

	async function* readEvents<T>(
		request: ApiRequest,
		response: IncomingMessage,
		deadline: Deadline,
	): AsyncGenerator<WatchEvent<T>> {
		try {
			yield* parseLines<WatchEvent<T>>(response);
		} catch (error) {
			throw explain(request, error, deadline);
		} finally {
			deadline.stop();
		}
	}

	return {
		address,
		limits,
		async send<T>(request: ApiRequest) {
			const deadline = startDeadline(limits.requestTimeoutMs);
			const signal = AbortSignal.any([request.signal, deadline.signal]);
			try {
				return await parseAnswer<T>(request, await ask(request, signal));
			} catch (error) {
				throw explain(request, error, deadline);
			} finally {
				deadline.stop();
			}
		},
		async watch<T>(request: ApiRequest) {
			const deadline = startDeadline(limits.requestTimeoutMs);
			const signal = AbortSignal.any([request.signal, deadline.signal]);
			try {
				const response = await ask(request, signal);
				if (response.statusCode === 200) {
					// The server ends the watch; we do if it fails to.
					deadline.restart(limits.watchMs + limits.requestTimeoutMs);
					return readEvents<T>(request, response, deadline);
				}
				const refusal = await parseAnswer<never>(request, response);
				deadline.stop();
				return makeErrorEvents(refusal.body);
			} catch (error) {
				deadline.stop();
				throw explain(request, error, deadline);
			}
		},
		close: () => agent.destroy(),
	};
}

interface Deadline {
	readonly signal: AbortSignal;
	readonly ms: number;
	restart(ms: number): void;
	stop(): void;
}

function startDeadline(firstMs: number): Deadline {
	const controller = new AbortController();
	let ms = firstMs;
	let timer = setTimeout(() => controller.abort(), ms);
	return {
		signal: controller.signal,
		get ms() {
			return ms;
		},
		restart(nextMs) {
			clearTimeout(timer);
			ms = nextMs;
			timer = setTimeout(() => controller.abort(), ms);
		},
		stop: () => clearTimeout(timer),
	};
}

const hasCode = (error: unknown, code: string): boolean =>
	(error as { code?: unknown } | null)?.code === code;

async function* parseLines<T>(response: IncomingMessage): AsyncGenerator<T> {
	response.setEncoding("utf8");
	let rest = "";
	for await (const chunk of response) {
		const lines = (rest + chunk).split("\n");
		rest = lines.pop() ?? "";
		for (const line of lines) {
			if (line !== "") yield JSON.parse(line) as T;
		}
	}
}

async function* makeErrorEvents(
	status: Partial<Status>,
): AsyncGenerator<WatchEvent<never>> {
	yield { type: "ERROR", object: status };
}

/** A proxy in between may answer with HTML: then there is nothing to tell but the number. */
function parseStatus(raw: string): Partial<Status> {
	try {
		return JSON.parse(raw) as Partial<Status>;
	} catch {
		return {};
	}
}
