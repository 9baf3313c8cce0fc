// Waiting for an operation to come farther, without asking again and again.
import { isFinal, type Operation } from "../domain/operation.ts";
import { findOperation } from "../store/operations.ts";
import { makeBell } from "./bell.ts";
import type { Feed } from "./listen.ts";

/**
 * The operation once `isNews` says so, once it is final, once the time is over, or once the signal aborts. Holds no
 * database connection while it waits.
 */
export async function awaitChange(
	feed: Feed,
	operation: Operation,
	options: {
		readonly isNews: (now: Operation) => boolean;
		readonly forMs: number;
		readonly signal: AbortSignal;
	},
): Promise<Operation> {
	const { isNews, forMs, signal } = options;
	const endsAt = performance.now() + forMs;
	const bell = makeBell();
	const unsubscribe = feed.subscribe(operation.environment, bell.ring);
	signal.addEventListener("abort", bell.ring);
	try {
		for (let current = operation; ; ) {
			if (isFinal(current.state) || isNews(current)) return current;
			const leftMs = endsAt - performance.now();
			if (leftMs <= 0 || signal.aborted) return current;
			await bell.heard(leftMs);
			const found = await findOperation(feed.db, operation.id, undefined);
			if (found === undefined) return current;
			current = found;
		}
	} finally {
		signal.removeEventListener("abort", bell.ring);
		unsubscribe();
	}
}
