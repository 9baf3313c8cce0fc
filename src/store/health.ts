// Health and drift in the rows of environments, and who watches which target.
import { sql } from "kysely";
import type { DriftItem } from "../domain/drift.ts";
import type { HealthReport } from "../domain/health.ts";
import type { EnvironmentId, TargetId } from "../domain/ids.ts";
import { activeStates, type Operation } from "../domain/operation.ts";
import { type Db, toJsonb } from "./db.ts";
import { eventStamp, eventsChannel, eventTopics } from "./events.ts";
import { announceLanes, signalLanes } from "./webhook-lanes.ts";

/** Writes what a look of this operation found, as long as it is the attempt that looks. */
export async function saveDrift(
	db: Db,
	{
		environment,
		id,
		attempt,
	}: Pick<Operation, "environment" | "id" | "attempt">,
	items: readonly DriftItem[],
): Promise<void> {
	await db
		.updateTable("environments")
		.set({ drift: toJsonb(items), drift_checked_at: sql<Date>`now()` })
		.where("id", "=", environment)
		.where((eb) =>
			eb.exists(
				eb
					.selectFrom("operations")
					.select("id")
					.where("id", "=", id)
					.where("attempt", "=", attempt)
					.where("state", "in", activeStates),
			),
		)
		.execute();
}

/** A target that this process watches, until it says so no more. */
export interface Watch {
	readonly target: TargetId;
	readonly name: string;
	readonly kubeconfig: Buffer;
	/** Drawn anew by each new watcher: who comes late with an older one writes nothing. */
	readonly fence: number;
}

/** Takes the targets that nobody watches, and keeps those that `owner` has. */
export async function holdWatches(
	db: Db,
	owner: string,
	forMs: number,
): Promise<Watch[]> {
	const { rows } = await sql<Watch>`
		update targets set
			watch_fence = watch_fence + case when watch_owner = ${owner} and watch_expires_at > now() then 0 else 1 end,
			watch_owner = ${owner},
			watch_expires_at = now() + make_interval(secs => ${forMs / 1_000})
		where id in (
			select id from targets
			where watch_owner is null or watch_owner = ${owner} or watch_expires_at <= now()
			for update skip locked
		)
		returning id as target, name, kubeconfig, watch_fence as fence`.execute(db);
	return rows;
}

/** Lets others have them at once. */
export async function releaseWatches(db: Db, owner: string): Promise<void> {
	await db
		.updateTable("targets")
		.set({ watch_owner: null, watch_expires_at: null })
		.where("watch_owner", "=", owner)
		.execute();
}

export interface Watched extends HealthReport {
	readonly environment: EnvironmentId;
	readonly namespace: string;
}

// While an operation moves an environment, its health is the operation's to tell. After a failed create there is nothing to watch.
const isAtRest = sql<boolean>`(lifecycle = 'ready' or (lifecycle = 'failed' and revision is not null))`;

/** The environments of a target at rest, or those of them that are named, with what is told of their health. */
export async function listWatched(
	db: Db,
	target: TargetId,
	only: readonly string[] | undefined,
): Promise<Watched[]> {
	let query = db
		.selectFrom("environments")
		.select(["id", "namespace", "health", "health_reasons"])
		.where("target_id", "=", target)
		.where(isAtRest);
	if (only !== undefined) {
		query = query.where(sql<boolean>`id = any(${only}::text[])`);
	}
	const rows = await query.execute();
	return rows.map((row) => ({
		environment: row.id,
		namespace: row.namespace,
		health: row.health,
		reasons: row.health_reasons,
	}));
}

/**
 * Writes these reports and their events by one statement, since a cluster that goes away is news of all that are on it.
 * Returns what was written: not what is moved by now, and nothing if somebody else watches.
 */
export async function writeHealth(
	db: Db,
	{ target, fence }: Pick<Watch, "target" | "fence">,
	reports: readonly Omit<Watched, "namespace">[],
): Promise<EnvironmentId[]> {
	const { rows } = await sql<{ id: EnvironmentId }>`
		with told as (
			select * from jsonb_to_recordset(${toJsonb(reports)}::jsonb)
				as t (environment text, health text, reasons jsonb)
		), changed as (
			update environments e set health = told.health, health_reasons = told.reasons, updated_at = now(),
				last_event_id = last_event_id + 1, last_stamp = greatest(last_stamp, ${eventStamp})
			from told
			where e.id = told.environment and ${isAtRest}
				and exists (
					select from targets where id = ${target} and watch_fence = ${fence} and watch_expires_at > now()
				)
			returning e.id, e.tenant_id, e.name, e.last_event_id, e.last_stamp, told.health, told.reasons
		), written as (
			insert into events (environment_id, id, tenant_id, stamp, operation_id, type, data, at)
			select id, last_event_id, tenant_id, last_stamp, null, 'health.changed',
				jsonb_build_object('health', health, 'reasons', reasons), clock_timestamp()
			from changed
		), counted as (
			select id, tenant_id, name, last_event_id - 1 as before from changed
		), ${signalLanes}
		select id, pg_notify(${eventsChannel}, ${eventTopics}), ${announceLanes} from changed`.execute(
		db,
	);
	return rows.map(({ id }) => id);
}

/**
 * Locks environments at rest that were not compared for as long as their target says, oldest first, and that nothing
 * works on. None while an operation waits for a worker: a look can wait, and an order should not.
 */
export async function takeDueForDrift(
	trx: Db,
	limit: number,
): Promise<{ environment: EnvironmentId; repair: boolean }[]> {
	const { rows } = await sql<{ environment: EnvironmentId; repair: boolean }>`
		select e.id as environment, e.on_drift = 'repair' as repair
		from environments e join targets t on t.id = e.target_id
		where e.lifecycle = 'ready'
			and coalesce((t.settings ->> 'driftEveryMinutes')::int, 30) > 0
			and greatest(e.created_at, e.drift_checked_at)
				< now() - make_interval(mins => coalesce((t.settings ->> 'driftEveryMinutes')::int, 30))
			and not exists (select from operations o where o.environment_id = e.id and o.finished_at is null)
			and not exists (
				select from operations o where o.environment_id = e.id and o.kind = 'refresh'
					and o.created_at > now() - make_interval(mins => coalesce((t.settings ->> 'driftEveryMinutes')::int, 30))
			)
			and not exists (select from operations where state = 'queued')
		order by greatest(e.created_at, e.drift_checked_at)
		limit ${limit}
		for update of e skip locked`.execute(trx);
	return rows;
}
