// The log of an environment or of an operation: a page, or a for-await over the feed.
import {
	listEnvironmentEvents,
	listOperationEvents,
} from "../contract/events.ts";
import { refuseInput } from "../contract/parse.ts";
import type { Event } from "../domain/event.ts";
import { follow } from "../feed/follow.ts";
import { type EventSource, listEvents } from "../store/events.ts";
import { bind, type Call, type Context, type Route } from "./bind.ts";
import { readPage } from "./page.ts";
import { presentEvent } from "./present.ts";
import { loadVisibleEnvironment, loadVisibleOperation } from "./visible.ts";

type EventsCall = Pick<Call<typeof listEnvironmentEvents>, "query" | "live">;

async function answerEvents(
	context: Context,
	call: EventsCall,
	source: EventSource,
) {
	const { live } = call;
	if (live === null) return readEvents(context, call, source);
	const after = parseLastEventId(live.lastEventId) ?? call.query.after;
	const events = follow(context.feed, source, { after, signal: live.signal });
	return { stream: presentEach(events) };
}

async function* presentEach(events: AsyncIterable<Event>) {
	for await (const event of events) yield presentEvent(event);
}

/** A client that comes back says where it was. That is newer than what its URL says. */
function parseLastEventId(text: string | undefined): number | undefined {
	if (text === undefined || text === "") return undefined;
	if (/^\d{1,15}$/.test(text)) return Number(text);
	throw refuseInput([
		{ pointer: "/header/last-event-id", message: "must be an event's id" },
	]);
}

async function readEvents(
	{ db, pageKey }: Context,
	{ query }: EventsCall,
	source: EventSource,
) {
	const list = [listEnvironmentEvents.name, source, query.after];
	const { rows, nextPageToken } = await readPage(
		{ key: pageKey, list, query },
		async ({ limit, after }) => {
			const start = after === undefined ? query.after : Number(after.id);
			const events = await listEvents(db, source, { after: start, limit });
			return events.map((event) => ({
				event,
				id: String(event.id),
				createdAt: event.at,
			}));
		},
	);
	return { items: rows.map(({ event }) => presentEvent(event)), nextPageToken };
}

export const eventRoutes: readonly Route[] = [
	bind(listEnvironmentEvents, async (context, call) => {
		const { id } = await loadVisibleEnvironment(
			context.db,
			call.actor,
			call.params.id,
		);
		return answerEvents(context, call, { environment: id });
	}),

	bind(listOperationEvents, async (context, call) => {
		const { id, environment } = await loadVisibleOperation(
			context.db,
			call.actor,
			call.params.id,
		);
		return answerEvents(context, call, { environment, operation: id });
	}),
];
