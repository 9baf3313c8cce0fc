// The ordered log of each environment. An event is written in the transaction of the change that it
// reports, and its id is drawn by raising the environment's own counter in that same transaction: so ids
// have no gaps, and a reader that saw id N will never see a smaller one appear.
import { sql } from "kysely";
import type { Event, EventType, NewEvent } from "../domain/event.ts";
import type { EnvironmentId, OperationId } from "../domain/ids.ts";
import { type Db, toJsonb } from "./db.ts";
import { announceLanes, signalLanes } from "./webhook-lanes.ts";

/** Announces on this channel which environment has news. PostgreSQL delivers it with the commit, and only then. */
export const eventsChannel = "impresario_events";

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
			update environments set last_event_id = last_event_id + ${events.length}
			where id = ${place.environment}
			returning id, tenant_id, name, last_event_id - ${events.length} as before
		), written as (
			insert into events (environment_id, id, operation_id, type, data, at)
			select counted.id, before + position, ${place.operation}, event ->> 'type', event -> 'data', clock_timestamp()
			from counted, jsonb_array_elements(${toJsonb(events)}::jsonb) with ordinality as given (event, position)
		), ${signalLanes}
		select pg_notify(${eventsChannel}, id), ${announceLanes} from counted
	`.execute(db);
	if (rows.length === 0) {
		throw new Error(`there is no environment ${place.environment}`);
	}
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
	let query = db
		.selectFrom("events")
		.selectAll()
		.where("environment_id", "=", source.environment)
		.where("id", ">", page.after)
		.orderBy("id")
		.limit(page.limit);
	if ("operation" in source) {
		query = query.where("operation_id", "=", source.operation);
	}
	const rows = await query.execute();
	return rows.map(
		(row) =>
			({
				id: row.id,
				type: row.type as EventType,
				at: row.at,
				environment: row.environment_id,
				operation: row.operation_id,
				data: row.data,
			}) as Event,
	);
}
