// Reading the log as it grows: first what is there, then what comes. There is no seam between the two: it
// is the same query each time, from behind the last event that was given out, and a notice only says when
// to ask again. So nothing is missed and nothing comes twice, whatever happens to notices.

import type { Event } from "../domain/event.ts";
import { isFinal } from "../domain/operation.ts";
import { translateDatabaseError } from "../store/db.ts";
import { loadEnvironment } from "../store/environments.ts";
import { type EventSource, listEvents } from "../store/events.ts";
import { findOperation } from "../store/operations.ts";
import { makeBell } from "./bell.ts";
import type { Feed } from "./listen.ts";

const batch = 200;

/**
 * Yields events behind `after` in their order, each once. Ends when the operation is final, or the
 * environment destroyed, and all its events were given out; or when the signal aborts. Holds no database
 * connection while it waits. Throws `unavailable` when the database is away.
 */
export async function* follow(
	feed: Feed,
	source: EventSource,
	options: { readonly after: number; readonly signal: AbortSignal },
): AsyncGenerator<Event, void, void> {
	const { signal } = options;
	let after = options.after;
	const bell = makeBell();
	const unsubscribe = feed.subscribe(source.environment, bell.ring);
	signal.addEventListener("abort", bell.ring);
	try {
		while (!signal.aborted) {
			// Asked before the events: what was written before the end is then seen before the end.
			const over = await isOver(feed, source);
			const events = await listEvents(feed.db, source, { after, limit: batch });
			for (const event of events) {
				if (signal.aborted) return;
				after = event.id;
				yield event;
			}
			if (events.length === batch) continue;
			if (over) return;
			await bell.heard();
		}
	} catch (error) {
		throw translateDatabaseError(error);
	} finally {
		signal.removeEventListener("abort", bell.ring);
		unsubscribe();
	}
}

async function isOver(feed: Feed, source: EventSource): Promise<boolean> {
	if ("operation" in source) {
		const operation = await findOperation(feed.db, source.operation, undefined);
		return operation === undefined || isFinal(operation.state);
	}
	const environment = await loadEnvironment(feed.db, source.environment);
	return environment.lifecycle === "destroyed";
}
