// Reading the log of a tenant as it grows, like that of one environment: the same query each time, and a notice only says
// when to ask again.
import { translateDatabaseError } from "../store/db.ts";
import {
	type EventPlace,
	hasBeyond,
	listTenantEvents,
	type PlacedEvent,
	readHorizon,
	type TenantLog,
} from "../store/tenant-events.ts";
import { makeBell } from "./bell.ts";
import type { Feed } from "./listen.ts";

const batch = 200;

/**
 * Yields events behind `after` in their order, each once, until the signal aborts. Holds no database connection while it
 * waits. Throws `unavailable` when the database is away.
 */
export async function* followTenant(
	feed: Feed,
	log: TenantLog,
	options: { readonly after: EventPlace; readonly signal: AbortSignal },
): AsyncGenerator<PlacedEvent, void, void> {
	const { signal } = options;
	let after = options.after;
	const bell = makeBell();
	const unsubscribe = feed.subscribe(log.tenant, bell.ring);
	signal.addEventListener("abort", bell.ring);
	try {
		while (!signal.aborted) {
			const horizon = await readHorizon(feed.db);
			const page = { after, horizon, limit: batch };
			const events = await listTenantEvents(feed.db, log, page);
			for (const event of events) {
				if (signal.aborted) return;
				after = event.place;
				yield event;
			}
			if (events.length === batch) continue;
			// All below the horizon was seen, what the pattern left out too: it is not read again.
			after = { stamp: horizon, environment: "", id: 0 };
			const stopWaiting = (await hasBeyond(feed.db, log.tenant, horizon))
				? feed.whenMoved(horizon, bell.ring)
				: undefined;
			await bell.heard();
			stopWaiting?.();
		}
	} catch (error) {
		throw translateDatabaseError(error);
	} finally {
		signal.removeEventListener("abort", bell.ring);
		unsubscribe();
	}
}
