import { type RawBuilder, sql } from "kysely";
import type { OperationId } from "../domain/ids.ts";
import {
	type Operation,
	type OperationKind,
	turnKinds,
} from "../domain/operation.ts";
import {
	decidePlace,
	farthestPlace,
	type QueueFacts,
	type QueueLine,
	type QueuePlace,
	workerLostMs,
} from "../domain/queue.ts";
import type { Db } from "./db.ts";
import { limitOf, queueTables } from "./turns.ts";

/** Of so many operations that succeeded last, the duration is taken. */
const durations = 20;

/** How long operations of this kind took of late, in milliseconds, as their median. */
const durationOf = (kind: RawBuilder<OperationKind>) => sql`(
	select percentile_cont(0.5) within group (order by ms) from (
		select extract(epoch from finished_at - started_at) * 1000 as ms from operations
		where kind = ${kind} and state = 'succeeded' and started_at is not null
		order by finished_at desc limit ${durations}
	) as recent)`;

/** The longest waiting operation of the tenant `t`. */
const firstOf = sql`(
	select q.sequence from operations q where q.tenant_id = t.id and q.state = 'queued' order by q.sequence limit 1)`;

/**
 * The facts of a waiting operation's place, as one JSON value and so as a part of any statement. It follows the order
 * of `listTurns`: each tenant's next operation stands as far back as the tenant has others under way, the one after it
 * one place further. Until the first claim that is the very order; what ends or comes moves it.
 */
export const selectQueueFacts = (operation: {
	readonly tenant: RawBuilder<unknown>;
	readonly target: RawBuilder<unknown>;
	readonly kind: RawBuilder<OperationKind>;
	/** Of the `operations` as `q` that wait: those before it. */
	readonly isBefore: RawBuilder<unknown>;
}) => sql<QueueFacts>`(
	with recursive ${queueTables}, own as materialized (
		select t.id, coalesce(t.served_at, '-infinity') as served_at, ${firstOf} as first,
			(select count(*) from (
				select from operations q
				where q.tenant_id = t.id and q.state = 'queued' and ${operation.isBefore}
				order by q.sequence limit ${farthestPlace}
			) as near) as ahead,
			(select count(*) from active a where a.tenant_id = t.id and a.is_worked_on) as working,
			(select case when count(*) >= ${limitOf("t")} then ${limitOf("t")} end
				from active a where a.tenant_id = t.id) as tenant_limit
		from tenants t where t.id = ${operation.tenant}
	), others as (
		select (
			select count(*) from (
				select from operations q where q.tenant_id = t.id and q.state = 'queued'
				-- The order is what the index has: without it the whole table may be looked at for a few rows.
				order by q.sequence limit greatest(0, own.ahead + own.working - other.working + case
					-- Of two that stand equally far back, the one whose tenant was not served on the way there is first:
					-- the tenant with more under way.
					when other.working <> own.working then (other.working > own.working)::int
					when other.served_at <> own.served_at then (other.served_at < own.served_at)::int
					when ${firstOf} > own.first then 0 else 1 end)
			) as sooner
		) as ahead
		from own, waiting_tenants w join tenants t on t.id = w.tenant_id cross join lateral (
			select coalesce(t.served_at, '-infinity') as served_at,
				(select count(*) from active a where a.tenant_id = t.id and a.is_worked_on) as working
		) as other
		where t.id <> own.id
	), living as (
		select slots, is_short_of_memory from workers
		where seen_at > now() - make_interval(secs => ${workerLostMs / 1000})
	)
	select json_build_object(
		'ahead', least(${farthestPlace}::int, own.ahead + coalesce((select sum(ahead) from others), 0)),
		'tenantLimit', own.tenant_limit,
		'targetLimit', (
			select case when (select count(*) from active a where a.target_id = g.id) >= ${limitOf("g")}
				then ${limitOf("g")} end
			from targets g where g.id = ${operation.target}),
		'slots', (select coalesce(sum(slots), 0) from living),
		'busy', (select count(*) from active where is_worked_on),
		'isShortOfMemory', (select coalesce(bool_and(is_short_of_memory), false) from living),
		'durationMs', ${durationOf(operation.kind)}
	) from own
)`;

/** Where a queued operation stands. */
export async function findQueuePlace(
	db: Db,
	operation: Pick<Operation, "id" | "environment">,
): Promise<QueuePlace> {
	const facts = selectQueueFacts({
		tenant: sql`o.tenant_id`,
		target: sql`(select target_id from environments where id = o.environment_id)`,
		kind: sql`o.kind`,
		isBefore: sql`q.sequence < o.sequence`,
	});
	const { rows } = await sql<{
		readonly now: Date;
		readonly facts: QueueFacts;
		readonly length: number;
		readonly blocker: OperationId | null;
		readonly leftMs: number | null;
	}>`
		select now() as now, ${facts} as facts, line.*
		from operations o cross join lateral (
			select count(*) as length, (array_agg(p.id order by p.sequence))[1] as blocker,
				case when bool_and(part.left_ms is not null) and min(p.started_at) is not null
					then sum(part.left_ms)::float8 end as "leftMs"
			from operations p cross join lateral (
				select greatest(0, ${durationOf(sql`p.kind`)}
					- coalesce(extract(epoch from now() - p.started_at) * 1000, 0)) as left_ms
			) as part
			-- What takes no turn waits for the workers alone, and nobody waits for it.
			where p.environment_id = o.environment_id and p.sequence < o.sequence and p.finished_at is null
				and p.kind = any(${turnKinds}) and o.kind = any(${turnKinds})
		) as line
		where o.id = ${operation.id}`.execute(db);
	const [found] = rows;
	if (found === undefined) throw new Error(`${operation.id} is gone`);
	const line: QueueLine | undefined =
		found.blocker === null
			? undefined
			: {
					length: found.length,
					blocker: found.blocker,
					leftMs: found.leftMs,
				};
	return decidePlace(found.facts, line, found.now);
}
