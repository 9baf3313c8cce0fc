// Whose turn it is. A message of the queue says that there is work, not which: the next to be claimed is decided here,
// among all that may be. The tenant with the fewest operations under way comes first, then the one that was served
// least recently; within a tenant what was begun already, then the order of asking.
//
// Of each tenant the first alone is looked for, by an index. So it takes as long as there are tenants that wait, however
// many operations they have in the queue.
import { sql } from "kysely";
import type { OperationId, TenantId } from "../domain/ids.ts";
import type { Db } from "./db.ts";
import { isNext } from "./operations.ts";

/** An operation that may be claimed now. */
export interface Turn {
	readonly id: OperationId;
	readonly sends: number;
	readonly tenant: TenantId;
}

// Any number that nothing else in this database locks by.
const turnsLock = 730_199_3;
/** A process that stops while it decides must not keep all others from their turns. */
const decideWithinMs = 1_000;

/**
 * Lets one transaction at a time decide whose turn it is: each must see what the one before it claimed, or two of them
 * would take the same tenant's turn, and pass a limit together. Held until the transaction ends.
 */
export async function lockTurns(db: Db): Promise<void> {
	await sql`select set_config('idle_in_transaction_session_timeout', ${String(decideWithinMs)}, true),
		pg_advisory_xact_lock(${turnsLock})`.execute(db);
}

/**
 * Common to all questions about the queue: the tenants that have something in it, by a walk from one to the next in the
 * index; and what is begun and has not ended. What pauses before its next attempt counts for limits, because it goes on
 * by itself, but it keeps no worker.
 */
export const queueTables = sql`
	waiting_tenants (tenant_id) as (
		(select tenant_id from operations where state = 'queued' order by tenant_id limit 1)
		union all
		select (
			select o.tenant_id from operations o where o.state = 'queued' and o.tenant_id > w.tenant_id
			order by o.tenant_id limit 1
		) from waiting_tenants w where w.tenant_id is not null
	), active as materialized (
		select o.id, o.tenant_id, e.target_id, o.state, o.attempt, o.sequence, o.sends, o.not_before, o.deadline_at,
			o.lease_expires_at >= now() as is_worked_on
		from operations o join environments e on e.id = o.environment_id
		where o.state in ('running', 'recovering', 'cancelling')
	)`;

/** How many operations a tenant or a target may have begun at a time, by its settings; null: as many as it likes. */
export const limitOf = (table: "t" | "g") =>
	sql<
		number | null
	>`(${sql.ref(`${table}.settings`)} ->> 'concurrentOperations')::int`;

/** The first few whose turn it is, best first, at most one that waits of each tenant. */
export async function listTurns(
	db: Db,
	request: { readonly maxAttempts: number; readonly limit: number },
): Promise<Turn[]> {
	const { rows } = await sql<Turn>`
		with recursive ${queueTables}, candidates as (
			select id, sends, sequence, tenant_id, false as is_queued from active
			where not is_worked_on and coalesce(not_before, now()) <= now() and deadline_at > now()
				and (attempt < ${request.maxAttempts} or state = 'cancelling')
			union all
			select first.id, first.sends, first.sequence, t.id, true
			from waiting_tenants w join tenants t on t.id = w.tenant_id
			cross join lateral (
				select o.id, o.sends, o.sequence from operations o
				join environments e on e.id = o.environment_id
				join targets g on g.id = e.target_id
				where o.tenant_id = t.id and o.state = 'queued'
					and ${isNext}
					and (${limitOf("g")} is null
						or (select count(*) from active a where a.target_id = g.id) < ${limitOf("g")})
				order by o.sequence limit 1
			) as first
			where ${limitOf("t")} is null or (select count(*) from active a where a.tenant_id = t.id) < ${limitOf("t")}
		)
		select c.id, c.sends, c.tenant_id as tenant
		from candidates c join tenants t on t.id = c.tenant_id
		order by (select count(*) from active a where a.tenant_id = t.id and a.is_worked_on),
			t.served_at nulls first, c.is_queued, c.sequence
		limit ${request.limit}`.execute(db);
	return rows;
}

/** Notes that an operation of the tenant was claimed just now. */
export async function markServed(db: Db, tenant: TenantId): Promise<void> {
	await db
		.updateTable("tenants")
		// Not the transaction's time: it may have begun before that of the one whose turn was first.
		.set({ served_at: sql<Date>`clock_timestamp()` })
		.where("id", "=", tenant)
		.execute();
}
