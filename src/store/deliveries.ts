// What came of each attempt to tell a webhook something.
import { type RawBuilder, sql } from "kysely";
import { describeService } from "../domain/audit.ts";
import type { Event } from "../domain/event.ts";
import { createDeliveryId } from "../domain/ids.ts";
import {
	type Attempt,
	type DisabledReason,
	disabledMessages,
} from "../domain/webhook.ts";
import { appendAudit } from "./audit.ts";
import type { Db } from "./db.ts";
import { appendEvents } from "./events.ts";
import type { ClaimedLane } from "./webhook-lanes.ts";

interface Settlement {
	readonly lane: ClaimedLane;
	readonly event: Event;
	readonly attempt: Attempt;
}

/** The row of an event's delivery after one more attempt, as the end of a statement in which `held` has a row. */
const writeAttempt = (
	{ lane, event, attempt }: Settlement,
	outcome: {
		readonly state: "pending" | "delivered" | "failed";
		readonly nextAttemptAt: RawBuilder<Date | null>;
	},
) => sql`
	insert into deliveries as d (id, webhook_id, environment_id, event_id, type, state, attempts, next_attempt_at,
		response_status, duration_ms, error, excerpt, attempted_at)
	select ${createDeliveryId()}, ${lane.webhook}, ${lane.environment}, ${event.id}, ${event.type}, ${outcome.state}, 1,
		${outcome.nextAttemptAt}, ${attempt.status}, ${attempt.durationMs}, ${attempt.error}, ${attempt.excerpt}, now()
	from held
	on conflict (webhook_id, environment_id, event_id) do update set
		state = excluded.state, attempts = d.attempts + 1, next_attempt_at = excluded.next_attempt_at,
		response_status = excluded.response_status, duration_ms = excluded.duration_ms, error = excluded.error,
		excerpt = excluded.excerpt, attempted_at = excluded.attempted_at`;

const isHeld = ({ webhook, environment, claim }: ClaimedLane) =>
	sql`webhook_id = ${webhook} and environment_id = ${environment} and claim = ${claim}`;

// A delivery's row names its environment, and so waits for whoever holds that: who writes events does, and then wants the lane.
// Both take the environment first, or two of them would wait for each other.
const ownerFirst = ({ environment }: ClaimedLane) =>
	sql`owner as materialized (select 1 from environments where id = ${environment} for key share)`;
const hasOwner = sql`exists (select from owner)`;

/** The event was taken: the next one may follow. Returns whether the lane is still the caller's. */
export async function recordDelivered(
	db: Db,
	settlement: Settlement,
): Promise<boolean> {
	const { lane, event } = settlement;
	const { numAffectedRows } = await sql`
		with ${ownerFirst(lane)}, held as (
			update webhook_lanes set settled = ${event.id} where ${hasOwner} and ${isHeld(lane)} returning 1
		), well as (
			update webhooks set failing_since = null
			where id = ${lane.webhook} and failing_since is not null and exists (select 1 from held)
		)
		${writeAttempt(settlement, { state: "delivered", nextAttemptAt: sql`null` })}`.execute(
		db,
	);
	return numAffectedRows === 1n;
}

/** The event was not taken: the lane waits so long for the next attempt at it. */
export async function recordRetry(
	db: Db,
	settlement: Settlement,
	afterSeconds: number,
): Promise<void> {
	const { lane } = settlement;
	const at = sql<Date>`now() + make_interval(secs => ${afterSeconds}::float8)`;
	await sql`
		with ${ownerFirst(lane)}, held as (
			update webhook_lanes set due_at = ${at}, claim = null where ${hasOwner} and ${isHeld(lane)} returning 1
		), ill as (
			update webhooks set failing_since = now()
			where id = ${lane.webhook} and failing_since is null and exists (select 1 from held)
		)
		${writeAttempt(settlement, { state: "pending", nextAttemptAt: at })}`.execute(
		db,
	);
}

/**
 * The webhook is told nothing more, and an event says so. An event that was tried as often as it may be is given up: it is
 * not told after the webhook is active again, others are. Call it in a transaction. Returns whether it was active until now.
 */
export async function recordDisabled(
	trx: Db,
	settlement: Settlement,
	reason: DisabledReason,
): Promise<boolean> {
	const { lane, event } = settlement;
	// First, as everyone who writes events does: in another order two of them would wait for each other.
	await sql`select from environments where id = ${lane.environment} for no key update`.execute(
		trx,
	);
	const isGivenUp = reason === "exhausted";
	const { numAffectedRows } = await sql`
		with held as (
			update webhook_lanes set due_at = now(), claim = null, settled = case when ${isGivenUp} then ${event.id} else settled end
			where ${isHeld(lane)} returning 1
		)
		${writeAttempt(settlement, { state: isGivenUp ? "failed" : "pending", nextAttemptAt: sql`null` })}`.execute(
		trx,
	);
	if (numAffectedRows !== 1n) return false;
	const { numUpdatedRows } = await trx
		.updateTable("webhooks")
		.set({
			is_active: false,
			disabled_reason: reason,
			disabled_at: sql<Date>`now()`,
			updated_at: sql<Date>`now()`,
		})
		.where("id", "=", lane.webhook)
		.where("is_active", "=", true)
		.executeTakeFirst();
	if (numUpdatedRows !== 1n) return false;
	await appendEvents(trx, { environment: lane.environment, operation: null }, [
		{
			type: "webhook.disabled",
			data: {
				webhook: lane.webhook,
				reason,
				message: disabledMessages[reason],
			},
		},
	]);
	await appendAudit(trx, {
		actor: describeService("service"),
		action: "service.disable-webhook",
		request: null,
		thing: { kind: "webhook", id: lane.webhook },
		before: null,
		operation: null,
		denial: null,
	});
	return true;
}
