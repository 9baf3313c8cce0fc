// One attempt: posts a text to a URL and tells what came of it. Redirects are not followed.
import * as http from "node:http";
import * as https from "node:https";
import {
	type Attempt,
	attemptTimeoutMs,
	maskExcerpt,
	type TargetPolicy,
} from "../domain/webhook.ts";
import { Failure } from "../failure.ts";
import {
	checkLiteral,
	makeLookup,
	type Resolve,
	resolveBySystem,
} from "./addresses.ts";

export interface Letter {
	readonly url: string;
	readonly headers: Readonly<Record<string, string>>;
	readonly body: string;
}

export interface Poster {
	/** Rejects only when the signal aborts: then nothing is known of what was sent. */
	post(letter: Letter, signal: AbortSignal): Promise<Attempt>;
	close(): void;
}

export interface PosterOptions {
	readonly policy: TargetPolicy;
	readonly resolve?: Resolve;
	readonly timeoutMs?: number;
}

const excerptBytes = 1_024;
/** What is longer is not read to its end, to keep the connection. */
const answerBytes = 65_536;

export function openPoster(options: PosterOptions): Poster {
	const { policy, resolve = resolveBySystem } = options;
	const { timeoutMs = attemptTimeoutMs } = options;
	const settings = {
		keepAlive: true,
		maxFreeSockets: 32,
		lookup: makeLookup(policy, resolve),
	};
	const agents = {
		http: new http.Agent(settings),
		https: new https.Agent(settings),
	};

	async function post(letter: Letter, stop: AbortSignal): Promise<Attempt> {
		const startedAt = performance.now();
		const signal = AbortSignal.any([stop, AbortSignal.timeout(timeoutMs)]);
		const measure = () => Math.round(performance.now() - startedAt);
		try {
			const response = await send(policy, agents, letter, signal);
			// The status alone decides; an answer that is slow to come to its end does not undo it.
			const excerpt = await readExcerpt(response);
			return {
				status: response.statusCode ?? null,
				durationMs: measure(),
				error: null,
				excerpt,
				retryAfterSeconds: readRetryAfter(response.headers["retry-after"]),
			};
		} catch (error) {
			stop.throwIfAborted();
			return {
				status: null,
				durationMs: measure(),
				error: signal.aborted
					? `There was no answer within ${timeoutMs / 1_000} seconds.`
					: describe(error),
				excerpt: null,
				retryAfterSeconds: null,
			};
		}
	}

	return {
		post,
		close() {
			agents.http.destroy();
			agents.https.destroy();
		},
	};
}

function send(
	policy: TargetPolicy,
	agents: { readonly http: http.Agent; readonly https: https.Agent },
	letter: Letter,
	signal: AbortSignal,
): Promise<http.IncomingMessage> {
	const url = new URL(letter.url);
	const isHttp = url.protocol === "http:";
	return new Promise((fulfil, reject) => {
		if (isHttp && !policy.allowsHttp) throw refuseHttp();
		checkLiteral(policy, url);
		const request = (isHttp ? http : https).request(url, {
			method: "POST",
			agent: isHttp ? agents.http : agents.https,
			headers: {
				...letter.headers,
				"content-length": Buffer.byteLength(letter.body),
			},
			signal,
		});
		request.once("response", fulfil);
		request.once("error", (error) => {
			// The receiver closed a kept connection just as it was used again: nothing of this was read.
			const isStale =
				request.reusedSocket && "code" in error && error.code === "ECONNRESET";
			if (isStale) send(policy, agents, letter, signal).then(fulfil, reject);
			else reject(error);
		});
		request.end(letter.body);
	});
}

const refuseHttp = () =>
	new Failure({
		code: "forbidden",
		message: "The target is not reached over https.",
		untouched: "Nothing was sent.",
		advice: "Name an https:// URL.",
	});

async function readExcerpt(response: http.IncomingMessage): Promise<string> {
	const kept: Buffer[] = [];
	let length = 0;
	try {
		for await (const chunk of response) {
			if (length < excerptBytes) kept.push(chunk);
			length += chunk.length;
			if (length > answerBytes) break;
		}
	} catch {
		// What came before it broke off is worth showing.
	}
	const bytes = Buffer.concat(kept).subarray(0, excerptBytes);
	return maskExcerpt(bytes.toString("utf8"));
}

/** Seconds, from seconds or a date (RFC 9110 §10.2.3). */
function readRetryAfter(text: string | undefined): number | null {
	if (text === undefined) return null;
	if (/^\d{1,9}$/.test(text)) return Number(text);
	const at = Date.parse(text);
	return Number.isNaN(at) ? null : Math.max(0, (at - Date.now()) / 1_000);
}

const errnos: Readonly<Record<string, string>> = {
	ECONNREFUSED: "Nobody listens there.",
	ECONNRESET: "The connection was closed before there was an answer.",
	ENOTFOUND: "Its host name is not known.",
	EAI_AGAIN: "Its host name could not be looked up.",
	ETIMEDOUT: "The connection could not be made in time.",
	EHOSTUNREACH: "There is no way to its host.",
	ENETUNREACH: "There is no way to its network.",
	EPIPE: "The connection was closed before all was sent.",
};

/** Without what the error says itself: that may name addresses. */
function describe(error: unknown): string {
	if (error instanceof Failure) return error.message;
	const code =
		error instanceof Error && "code" in error ? String(error.code) : "";
	return errnos[code] ?? `The connection failed${code && ` (${code})`}.`;
}
