// One request, and again where that is safe: what was not let in, or did not get through, may be sent once more.
import { throwProblem } from "./problem.ts";

export interface Connection {
	/** Where the service is, without a slash at its end. */
	readonly url: string;
	/** None is needed for the few endpoints that ask nobody who he is. */
	readonly token?: string | undefined;
	/** How often one request is sent at most. 5 by default. */
	readonly attempts?: number;
	/** Stands in for the platform's own. */
	readonly fetch?: typeof fetch;
	/** The service's OpenAPI document, for who has it at hand: the first call reads it otherwise. */
	readonly document?: { readonly paths: object };
}

const firstPauseMs = 200;
const longestPauseMs = 30_000;

export const pause = (ms: number, signal?: AbortSignal | null): Promise<void> =>
	new Promise((fulfil, reject) => {
		const stop = () => {
			clearTimeout(timer);
			reject(signal?.reason);
		};
		if (signal?.aborted) {
			reject(signal.reason);
			return;
		}
		const timer = setTimeout(() => {
			signal?.removeEventListener("abort", stop);
			fulfil();
		}, ms);
		signal?.addEventListener("abort", stop, { once: true });
	});

/**
 * Sends it, again where what was answered may pass, and where nothing was. Only for requests that may come twice: those that read,
 * and those with an Idempotency-Key. Throws `Problem` for what is refused, and what `fetch` throws at last.
 */
export async function send(
	connection: Connection,
	path: string,
	init: RequestInit,
): Promise<Response> {
	const { url, token, attempts = 5, fetch: ask = fetch } = connection;
	for (let attempt = 1; ; attempt++) {
		const isLast = attempt >= attempts;
		const response = await ask(`${url}${path}`, {
			...init,
			headers: {
				...init.headers,
				...(token !== undefined && { authorization: `Bearer ${token}` }),
			},
		}).catch((error: unknown) => {
			if (isLast || init.signal?.aborted) throw error;
			return undefined;
		});
		if (response?.ok || response?.status === 304) return response;
		if (response && (isLast || !mayPass(response)))
			return await throwProblem(response);
		await response?.body?.cancel();
		await pause(decidePause(response, attempt), init.signal);
	}
}

/** Whether the same may be answered otherwise later: also while an earlier one with its key is being answered. */
const mayPass = ({ status, headers }: Response): boolean =>
	status === 429 ||
	status === 503 ||
	(status === 409 && headers.has("retry-after"));

function decidePause(response: Response | undefined, attempt: number): number {
	const seconds = Number(response?.headers.get("retry-after") ?? Number.NaN);
	const ms = Number.isFinite(seconds)
		? seconds * 1_000
		: firstPauseMs * 2 ** attempt;
	return Math.min(ms, longestPauseMs);
}
