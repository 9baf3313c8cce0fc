// How far each webhook has been told the log of each environment: a lane. Its events go out one after the other, by
// whoever has the claim on it; the log itself is what waits to be told.
import { sql } from "kysely";
import type { Event } from "../domain/event.ts";
import type { EnvironmentId, WebhookId } from "../domain/ids.ts";
import type { Db } from "./db.ts";

/** Announces on this channel that a lane is due. */
export const webhooksChannel = "impresario_webhooks";

/**
 * The part of a statement that writes events which makes the lanes of their environments due. Every such statement has it,
 * behind a part `counted` with each environment's id, tenant_id and name, and the id of its last event `before`; and
 * selects `announceLanes`. A lane that is due already is only locked, to the end of that transaction: whoever is about to
 * find it empty waits, and finds the event. A webhook that is not active is told later, in the same order.
 */
export const signalLanes = sql`
	signalled as (
		insert into webhook_lanes as lane (webhook_id, environment_id, settled, due_at)
		select w.id, counted.id, counted.before, now()
		from counted join webhooks w
			on w.tenant_id = counted.tenant_id and w.deleted_at is null and counted.name like w.name_like
		on conflict (webhook_id, environment_id) do update set due_at = excluded.due_at where lane.due_at is null
		returning 1
	)`;
export const announceLanes = sql`(select pg_notify(${webhooksChannel}, '') from signalled limit 1)`;

/** A lane in the hands of somebody. */
export interface ClaimedLane {
	readonly webhook: WebhookId;
	readonly environment: EnvironmentId;
	/** The id of the last event that is dealt with. */
	readonly settled: number;
	readonly claim: string;
}

/**
 * Takes lanes that are due, a few of each webhook, for so many seconds. What another one is taking is passed over, and so
 * are the webhooks that the caller is busy with.
 */
export async function claimLanes(
	db: Db,
	wish: {
		readonly claim: string;
		readonly limit: number;
		readonly limitEach: number;
		readonly leaseSeconds: number;
		readonly without: readonly WebhookId[];
	},
): Promise<ClaimedLane[]> {
	const { rows } = await sql<ClaimedLane>`
		update webhook_lanes lane set due_at = now() + make_interval(secs => ${wish.leaseSeconds}), claim = ${wish.claim}
		from (
			select due.webhook_id, due.environment_id
			from webhooks w cross join lateral (
				select webhook_id, environment_id from webhook_lanes
				where webhook_id = w.id and due_at <= now()
				order by due_at limit ${wish.limitEach} for update skip locked
			) due
			where w.is_active and w.deleted_at is null and w.id <> all(${wish.without})
			limit ${wish.limit}
		) taken
		where lane.webhook_id = taken.webhook_id and lane.environment_id = taken.environment_id
		returning lane.webhook_id as webhook, lane.environment_id as environment, lane.settled, lane.claim`.execute(
		db,
	);
	return rows;
}

/** What is to be sent and to whom, as it is at this moment. */
export interface NextInLane {
	readonly url: Buffer;
	readonly secret: Buffer;
	/** The one before, while it signs. */
	readonly previousSecret: Buffer | null;
	readonly failingForSeconds: number;
	readonly tenant: string;
	readonly environmentName: string;
	/** undefined: there is nothing left that this webhook wants to be told. */
	readonly event: Event | undefined;
	/** How often it was tried already. */
	readonly attempts: number;
}

interface NextRow extends Omit<NextInLane, "event"> {
	readonly id: number | null;
	readonly type: string;
	readonly at: Date;
	readonly operation_id: string | null;
	readonly data: object;
}

/** undefined: the webhook is not active any more. */
export async function findNextInLane(
	db: Db,
	lane: ClaimedLane,
): Promise<NextInLane | undefined> {
	const { rows } = await sql<NextRow>`
		select w.url, w.secret,
			case when w.previous_secret_until > now() then w.previous_secret end as "previousSecret",
			coalesce(extract(epoch from now() - w.failing_since)::float8, 0) as "failingForSeconds",
			t.name as tenant, e.name as "environmentName", coalesce(d.attempts, 0) as attempts,
			n.id, n.type, n.at, n.operation_id, n.data
		from webhooks w
		join tenants t on t.id = w.tenant_id
		join environments e on e.id = ${lane.environment}
		left join lateral (
			select id, type, at, operation_id, data from events
			where environment_id = e.id and id > ${lane.settled} and e.name like w.name_like
				and (w.types is null or type = any(w.types) or split_part(type, '.', 1) || '.*' = any(w.types))
			order by id limit 1
		) n on true
		left join deliveries d on d.webhook_id = w.id and d.environment_id = e.id and d.event_id = n.id
		where w.id = ${lane.webhook} and w.is_active and w.deleted_at is null`.execute(
		db,
	);
	const [row] = rows;
	if (row === undefined) return undefined;
	const { id, type, at, operation_id: operation, data, ...rest } = row;
	const { environment } = lane;
	const event =
		id === null
			? undefined
			: ({ id, type, at, operation, environment, data } as Event);
	return { ...rest, event };
}

/** Gives a lane back that goes on at once, by whoever is free. */
export async function releaseLane(db: Db, lane: ClaimedLane): Promise<void> {
	await db
		.updateTable("webhook_lanes")
		.set({ claim: null, due_at: sql<Date>`now()` })
		.where("webhook_id", "=", lane.webhook)
		.where("environment_id", "=", lane.environment)
		.where("claim", "=", lane.claim)
		.execute();
}

/**
 * Ends the work on a lane that has nothing left to tell. Call it in a transaction. Returns whether it is so: an event that
 * was written meanwhile has to be told first.
 */
export async function closeLane(trx: Db, lane: ClaimedLane): Promise<boolean> {
	// Waits for those who have written an event and have not committed; what is read next holds theirs.
	const locked = await trx
		.selectFrom("webhook_lanes")
		.select("settled")
		.where("webhook_id", "=", lane.webhook)
		.where("environment_id", "=", lane.environment)
		.where("claim", "=", lane.claim)
		.forUpdate()
		.executeTakeFirst();
	if (locked === undefined) return true;
	const next = await findNextInLane(trx, lane);
	if (next?.event !== undefined) return false;
	await trx
		.updateTable("webhook_lanes")
		.set((eb) => ({
			claim: null,
			// One that is not active goes on where it was.
			...(next === undefined
				? { due_at: sql<Date>`now()` }
				: {
						due_at: null,
						settled: eb
							.selectFrom("environments")
							.select("last_event_id")
							.where("id", "=", lane.environment)
							.$asScalar()
							.$notNull(),
					}),
		}))
		.where("webhook_id", "=", lane.webhook)
		.where("environment_id", "=", lane.environment)
		.execute();
	return true;
}
