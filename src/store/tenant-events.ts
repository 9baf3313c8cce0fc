// The log of a tenant: the events of all his environments in one order, in which none appears before another that was seen.
import { sql } from "kysely";
import type { Event } from "../domain/event.ts";
import type { EnvironmentId, TenantId } from "../domain/ids.ts";
import type { Db } from "./db.ts";
import { type EventRow, eventStamp, toEvent } from "./events.ts";

/** Behind which event to read: in the order of stamp, environment and id. */
export interface EventPlace {
	readonly stamp: number;
	readonly environment: string;
	readonly id: number;
}

export interface TenantLog {
	readonly tenant: TenantId;
	/** Names of environments, in which `*` stands for any text; null: all of them. */
	readonly pattern: string | null;
}

export type PlacedEvent = Event & { readonly place: EventPlace };

/**
 * All events and all lines of the audit log below it are there for whoever asks from now on: no transaction that has not ended writes one with a smaller
 * stamp.
 */
export async function readHorizon(db: Db): Promise<number> {
	const { rows } = await sql<{ horizon: number }>`
		select base + pg_snapshot_xmin(pg_current_snapshot())::text::bigint as horizon from event_clock`.execute(
		db,
	);
	const [row] = rows;
	if (row === undefined) throw new Error("there is no clock of the events");
	return row.horizon;
}

/** Events behind `after` and below `horizon`, in their order. */
export async function listTenantEvents(
	db: Db,
	{ tenant, pattern }: TenantLog,
	page: {
		readonly after: EventPlace;
		readonly horizon: number;
		readonly limit: number;
	},
): Promise<PlacedEvent[]> {
	const { stamp, environment, id } = page.after;
	let query = db
		.selectFrom("events")
		.selectAll("events")
		.where("events.tenant_id", "=", tenant)
		.where((eb) =>
			eb(
				eb.refTuple("stamp", "environment_id", "events.id"),
				">",
				eb.tuple(stamp, environment as EnvironmentId, id),
			),
		)
		.where("stamp", "<", page.horizon)
		.orderBy("stamp")
		.orderBy("environment_id")
		.orderBy("events.id")
		.limit(page.limit);
	if (pattern !== null) {
		query = query
			.innerJoin("environments", "environments.id", "environment_id")
			.where("environments.name", "like", pattern.replaceAll("*", "%"));
	}
	const rows: (EventRow & { readonly stamp: number })[] = await query.execute();
	return rows.map((row) => ({
		...toEvent(row),
		place: { stamp: row.stamp, environment: row.environment_id, id: row.id },
	}));
}

/** Whether there are events that cannot be told yet, because a transaction that began before has not ended. */
export async function hasBeyond(
	db: Db,
	tenant: TenantId,
	horizon: number,
): Promise<boolean> {
	const row = await db
		.selectFrom("events")
		.select("id")
		.where("tenant_id", "=", tenant)
		.where("stamp", ">=", horizon)
		.limit(1)
		.executeTakeFirst();
	return row !== undefined;
}

/** Makes stamps go on from the greatest that there is, where the numbers of transactions have begun anew. */
export async function alignEventClock(db: Db): Promise<void> {
	await sql`
		update event_clock set base = base + behind.by
		from (
			select greatest((select max(last_stamp) from environments), (select max(stamp) from audit), 0)
				- (${eventStamp}) + 1 as by
		) behind
		where behind.by > 0`.execute(db);
}
