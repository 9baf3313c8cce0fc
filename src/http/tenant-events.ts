// The log of a tenant: a page, or a stream that has no end.
import { listTenantEvents } from "../contract/events.ts";
import { refuseInput } from "../contract/parse.ts";
import { followTenant } from "../feed/follow-tenant.ts";
import {
	type EventPlace,
	listTenantEvents as listRows,
	type PlacedEvent,
	readHorizon,
	type TenantLog,
} from "../store/tenant-events.ts";
import { bind, type Route } from "./bind.ts";
import { readPage } from "./page.ts";
import { presentEvent } from "./present.ts";
import { loadVisibleTenant } from "./visible.ts";

const presentPlaced = (event: PlacedEvent) => ({
	...presentEvent(event),
	cursor: writeCursor(event.place),
});

async function* presentEach(events: AsyncIterable<PlacedEvent>) {
	for await (const event of events) yield presentPlaced(event);
}

const writeCursor = ({ stamp, environment, id }: EventPlace): string =>
	`${stamp}.${environment}.${id}`;

/** Without an event it is behind all of that stamp. */
const writeStamp = (stamp: number): string => String(stamp);

function readCursor(text: string): EventPlace {
	const [stamp = "", environment, id = ""] = text.split(".");
	return environment === undefined
		? { stamp: Number(stamp) + 1, environment: "", id: 0 }
		: { stamp: Number(stamp), environment, id: Number(id) };
}

const first: EventPlace = { stamp: 0, environment: "", id: 0 };

const parseCursor = (text: string): EventPlace =>
	text === "0" ? first : readCursor(text);

function parseLastEventId(text: string | undefined): string | undefined {
	if (text === undefined || text === "") return undefined;
	if (listTenantEvents.query.shape.after.safeParse(text).success) return text;
	throw refuseInput([
		{ pointer: "/header/last-event-id", message: "must be an event's cursor" },
	]);
}

export const tenantEventRoutes: readonly Route[] = [
	bind(listTenantEvents, async (context, { actor, query, live }) => {
		const { db, feed, pageKey } = context;
		const named = query.tenant ?? actor.tenant.name;
		const tenant = await loadVisibleTenant(db, actor, named);
		const log: TenantLog = {
			tenant: tenant.id,
			pattern: actor.scope.environments,
		};
		const horizon = await readHorizon(db);
		if (live !== null) {
			const cursor =
				parseLastEventId(live.lastEventId) ??
				query.after ??
				writeStamp(horizon - 1);
			const after = parseCursor(cursor);
			const events = followTenant(feed, log, { after, signal: live.signal });
			return { stream: presentEach(events), begin: cursor };
		}
		const list = [listTenantEvents.name, log.tenant, query.after];
		const { rows, nextPageToken } = await readPage(
			{ key: pageKey, list, query },
			async ({ limit, after }) => {
				const start = parseCursor(after?.id ?? query.after ?? "0");
				const page = { after: start, horizon, limit };
				return (await listRows(db, log, page)).map((event) => ({
					event,
					id: writeCursor(event.place),
					createdAt: event.at,
				}));
			},
		);
		return {
			items: rows.map(({ event }) => presentPlaced(event)),
			nextPageToken,
		};
	}),
];
