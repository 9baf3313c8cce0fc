// What was sent to a webhook, for people to read; and what they ask for themselves: a ping, or an event once more. That is
// sent once, beside the lane's order, by whoever has the claim on it.
import { sql } from "kysely";
import type { Event } from "../domain/event.ts";
import {
	createDeliveryId,
	type DeliveryId,
	type EnvironmentId,
	type WebhookId,
} from "../domain/ids.ts";
import {
	type Attempt,
	type Delivery,
	type DeliveryState,
	keepDeliveriesSeconds,
} from "../domain/webhook.ts";
import type { Db } from "./db.ts";
import { type PageRequest, readPage } from "./page.ts";
import { announceWork } from "./webhooks.ts";

const selectDeliveries = (db: Db, webhook: WebhookId) =>
	db.selectFrom("deliveries").selectAll().where("webhook_id", "=", webhook);

type Row = Awaited<
	ReturnType<ReturnType<typeof selectDeliveries>["executeTakeFirstOrThrow"]>
>;

const toDelivery = (row: Row): Delivery => ({
	id: row.id,
	webhook: row.webhook_id,
	environment: row.environment_id,
	event: row.event_id,
	type: row.type,
	state: row.state,
	attempts: row.attempts,
	nextAttemptAt: row.next_attempt_at,
	responseStatus: row.response_status,
	durationMs: row.duration_ms,
	error: row.error,
	excerpt: row.excerpt,
	createdAt: row.created_at,
	attemptedAt: row.attempted_at,
});

/** Newest first. */
export async function listDeliveries(
	db: Db,
	webhook: WebhookId,
	page: PageRequest & { readonly state: DeliveryState | undefined },
): Promise<Delivery[]> {
	let query = selectDeliveries(db, webhook);
	if (page.state !== undefined) query = query.where("state", "=", page.state);
	const rows = await readPage(query, page).execute();
	return rows.map(toDelivery);
}

export async function findDelivery(
	db: Db,
	webhook: WebhookId,
	id: string,
): Promise<Delivery | undefined> {
	const row = await selectDeliveries(db, webhook)
		.where("id", "=", id as DeliveryId)
		.executeTakeFirst();
	return row && toDelivery(row);
}

/** To be sent at once. */
export async function createPing(
	db: Db,
	webhook: WebhookId,
	type: string,
): Promise<Delivery> {
	const row = await db
		.insertInto("deliveries")
		.values({
			id: createDeliveryId(),
			webhook_id: webhook,
			environment_id: null,
			event_id: null,
			type,
			state: "pending",
			next_attempt_at: sql<Date>`now()`,
			manual_at: sql<Date>`now()`,
			claim: null,
			response_status: null,
			duration_ms: null,
			error: null,
			excerpt: null,
		})
		.returningAll()
		.executeTakeFirstOrThrow();
	await announceWork(db);
	return toDelivery(row);
}

/** To be sent once more, at once. One that waits for that already is left as it is. */
export async function askAgain(db: Db, id: DeliveryId): Promise<void> {
	await db
		.updateTable("deliveries")
		.set({
			state: "pending",
			next_attempt_at: sql<Date>`now()`,
			manual_at: sql<Date>`now()`,
			claim: null,
		})
		.where("id", "=", id)
		.where("state", "<>", "pending")
		.execute();
	await announceWork(db);
}

/** The pause of the event's lane is over. One that is being worked on goes on as it does. */
export async function endPause(
	db: Db,
	{ webhook, environment }: Pick<Delivery, "webhook" | "environment">,
): Promise<void> {
	await db
		.updateTable("webhook_lanes")
		.set({ due_at: sql<Date>`now()` })
		.where("webhook_id", "=", webhook)
		.where("environment_id", "=", environment)
		.where("due_at", "is not", null)
		.where("claim", "is", null)
		.execute();
	await announceWork(db);
}

export interface ClaimedDelivery {
	readonly id: DeliveryId;
	readonly webhook: WebhookId;
	readonly claim: string;
}

/** Takes some of what was asked for, for so many seconds; not of the webhooks that the caller is busy with. */
export async function claimDeliveries(
	db: Db,
	wish: {
		readonly claim: string;
		readonly limit: number;
		readonly leaseSeconds: number;
		readonly without: readonly WebhookId[];
	},
): Promise<ClaimedDelivery[]> {
	const { rows } = await sql<ClaimedDelivery>`
		update deliveries d set manual_at = now() + make_interval(secs => ${wish.leaseSeconds}), claim = ${wish.claim}
		from (
			select asked.id from deliveries asked join webhooks w on w.id = asked.webhook_id and w.deleted_at is null
			where asked.manual_at <= now() and asked.webhook_id <> all(${wish.without})
			order by asked.manual_at limit ${wish.limit} for update of asked skip locked
		) taken
		where d.id = taken.id
		returning d.id, d.webhook_id as webhook, d.claim`.execute(db);
	return rows;
}

/** What is to be sent and to whom, as it is at this moment. */
export interface AskedDelivery {
	readonly url: Buffer;
	readonly secret: Buffer;
	/** The one before, while it signs. */
	readonly previousSecret: Buffer | null;
	readonly tenant: string;
	/** null, as is `event`, for a ping. */
	readonly environmentName: string | null;
	readonly event: Event | null;
	readonly createdAt: Date;
}

interface AskedRow extends Omit<AskedDelivery, "event"> {
	readonly environment: EnvironmentId;
	readonly id: number | null;
	readonly type: string;
	readonly at: Date;
	readonly operation: string | null;
	readonly data: object;
}

/** undefined: it is the caller's no more, or its webhook is gone. */
export async function findAsked(
	db: Db,
	{ id, claim }: ClaimedDelivery,
): Promise<AskedDelivery | undefined> {
	const { rows } = await sql<AskedRow>`
		select w.url, w.secret,
			case when w.previous_secret_until > now() then w.previous_secret end as "previousSecret",
			t.name as tenant, en.name as "environmentName", d.created_at as "createdAt",
			d.environment_id as environment, e.id, e.type, e.at, e.operation_id as operation, e.data
		from deliveries d
		join webhooks w on w.id = d.webhook_id and w.deleted_at is null
		join tenants t on t.id = w.tenant_id
		left join environments en on en.id = d.environment_id
		left join events e on e.environment_id = d.environment_id and e.id = d.event_id
		where d.id = ${id} and d.claim = ${claim} and (d.event_id is null or e.id is not null)`.execute(
		db,
	);
	const [row] = rows;
	if (row === undefined) return undefined;
	const { environment, id: number, type, at, operation, data, ...rest } = row;
	const event =
		number === null
			? null
			: ({ id: number, type, at, operation, environment, data } as Event);
	return { ...rest, event };
}

/** What came of it. That was all: it is not tried again. */
export async function recordAsked(
	db: Db,
	{ id, claim }: ClaimedDelivery,
	outcome: {
		readonly attempt: Attempt;
		readonly state: "delivered" | "failed";
	},
): Promise<void> {
	const { attempt, state } = outcome;
	await db
		.updateTable("deliveries")
		.set((eb) => ({
			state,
			attempts: eb("attempts", "+", 1),
			next_attempt_at: null,
			manual_at: null,
			claim: null,
			response_status: attempt.status,
			duration_ms: attempt.durationMs,
			error: attempt.error,
			excerpt: attempt.excerpt,
			attempted_at: sql<Date>`now()`,
		}))
		.where("id", "=", id)
		.where("claim", "=", claim)
		.execute();
}

/** Throws away what is older than it is kept, some at a time. Returns how many. */
export async function forgetDeliveries(db: Db, limit: number): Promise<number> {
	const { numAffectedRows } = await sql`
		delete from deliveries where id in (
			select id from deliveries where created_at < now() - make_interval(secs => ${keepDeliveriesSeconds})
			order by created_at limit ${limit} for update skip locked
		)`.execute(db);
	return Number(numAffectedRows ?? 0n);
}
