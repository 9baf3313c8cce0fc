// Waiting for a condition, never for a time.
import { setTimeout as delay } from "node:timers/promises";

/**
 * Asks until the answer is neither undefined nor false and returns it. Throws after `timeoutMs`, with what
 * was waited for. An error of the question itself counts as "not yet" and is told at the end.
 */
export async function until<T>(
	what: string,
	ask: () => T | Promise<T>,
	options: { readonly timeoutMs?: number; readonly everyMs?: number } = {},
): Promise<Exclude<T, undefined | false | null>> {
	const { timeoutMs = 30_000, everyMs = 25 } = options;
	const end = Date.now() + timeoutMs;
	let last: unknown;
	for (;;) {
		try {
			last = await ask();
			if (last !== undefined && last !== false && last !== null) {
				return last as Exclude<T, undefined | false | null>;
			}
		} catch (error) {
			last = error;
		}
		if (Date.now() > end) {
			throw new Error(`gave up waiting until ${what}`, { cause: last });
		}
		await delay(everyMs);
	}
}
