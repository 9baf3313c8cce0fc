// The ordered log of each environment. An event is written in the transaction of the change that it
// reports, and its id is drawn by raising the environment's own counter in that same transaction: so ids
// have no gaps, and a reader that saw id N will never see a smaller one appear.
import { sql } from "kysely";
import type { Event, EventType, NewEvent } from "../domain/event.ts";
import type { EnvironmentId, OperationId } from "../domain/ids.ts";
import { type Db, toJsonb } from "./db.ts";
import { announceLanes, signalLanes } from "./webhook-lanes.ts";

/** Announces on this channel which environment of which tenant has news. PostgreSQL delivers it with the commit, and only then. */
export const eventsChannel = "impresario_events";

/** The stamp of what this transaction writes, unless its environment has a greater one: see 0026-tenant-events.sql. */
export const eventStamp = sql`(select base from event_clock) + pg_current_xact_id()::text::bigint`;

/** What is announced: of a row with an environment's id and tenant_id. */
export const eventTopics = sql`id || ' ' || tenant_id`;

/** Appends in the given order and announces them. Call it in the transaction of the change. */
export async function appendEvents(
	db: Db,
	place: {
		readonly environment: EnvironmentId;
		readonly operation: OperationId | null;
	},
	events: readonly NewEvent[],
): Promise<void> {
	if (events.length === 0) return;
	// One statement, because it is on the road of every order. clock_timestamp() and not now(): that is the
	// transaction's start, and events of one transaction would seem older than they are.
	const { rows } = await sql`
		with counted as (
			update environments set last_event_id = last_event_id + ${events.length},
				last_stamp = greatest(last_stamp, ${eventStamp})
			where id = ${place.environment}
			returning id, tenant_id, name, last_stamp, last_event_id - ${events.length} as before
		), written as (
			insert into events (environment_id, id, tenant_id, stamp, operation_id, type, data, at)
			select counted.id, before + position, tenant_id, last_stamp, ${place.operation},
				event ->> 'type', event -> 'data', clock_timestamp()
			from counted, jsonb_array_elements(${toJsonb(events)}::jsonb) with ordinality as given (event, position)
		), ${signalLanes}
		select pg_notify(${eventsChannel}, ${eventTopics}), ${announceLanes} from counted
	`.execute(db);
	if (rows.length === 0) {
		throw new Error(`there is no environment ${place.environment}`);
	}
}

/** How far the log of each of these environments and tenants is. */
export async function listHeads(
	db: Db,
	topics: readonly string[],
): Promise<{ topic: string; head: number }[]> {
	const { rows } = await sql<{ topic: string; head: number }>`
		select id as topic, last_event_id as head from environments where id = any(${topics})
		union all
		select id, coalesce((select max(stamp) from events where tenant_id = tenants.id), 0)
		from tenants where id = any(${topics})`.execute(db);
	return rows;
}

/** What is read: the log of an environment, or what one operation wrote into it. */
export type EventSource =
	| { readonly environment: EnvironmentId }
	| { readonly environment: EnvironmentId; readonly operation: OperationId };

/** Events behind `after`, in their order. */
export async function listEvents(
	db: Db,
	source: EventSource,
	page: { readonly after: number; readonly limit: number },
): Promise<Event[]> {
	let query = selectEvents(db)
		.where("environment_id", "=", source.environment)
		.where("id", ">", page.after)
		.orderBy("id")
		.limit(page.limit);
	if ("operation" in source) {
		query = query.where("operation_id", "=", source.operation);
	}
	const rows = await query.execute();
	return rows.map(toEvent);
}

const selectEvents = (db: Db) => db.selectFrom("events").selectAll();

export type EventRow = Awaited<
	ReturnType<ReturnType<typeof selectEvents>["executeTakeFirstOrThrow"]>
>;

export const toEvent = (row: EventRow): Event =>
	({
		id: row.id,
		type: row.type as EventType,
		at: row.at,
		environment: row.environment_id,
		operation: row.operation_id,
		data: row.data,
	}) as Event;
