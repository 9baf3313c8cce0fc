// What a tenant uses of what it may have. Counted from the rows themselves each time, so that nothing can be counted twice or
// be forgotten; whoever is about to use more holds the tenant's lock, so that two cannot both take what is left.
import { type RawBuilder, sql } from "kysely";
import type { EnvironmentId, TenantId } from "../domain/ids.ts";
import { shownParameters } from "../domain/parameters.ts";
import {
	type Choice,
	type Measure,
	type Quota,
	quota,
	type Share,
	type Usage,
} from "../domain/quota.ts";
import { decideDemand } from "../domain/sizing.ts";
import type { Size } from "../domain/spec.ts";
import type { Db } from "./db.ts";

// Any number that nothing else in this database locks by. It is no lock of the tenant's row: that one is written when an
// operation is claimed, by somebody who holds the operation's row, for which an order may wait.
const quotasLock = 730_199_4;

export interface Owner {
	readonly id: TenantId;
	readonly name: string;
}

/** Whose quota: an environment's owner's, or a tenant's. */
export type QuotaOf =
	| { readonly environment: EnvironmentId }
	| { readonly tenant: TenantId };

/**
 * Until the transaction ends nobody else uses more of the tenant's quota. Undefined, and nothing locked, where the tenant has
 * no limit at all. To be called with the environment's row locked already: the other way round two could wait for each other.
 */
export async function lockQuota(
	db: Db,
	whose: QuotaOf,
): Promise<Owner | undefined> {
	const id =
		"tenant" in whose
			? sql`${whose.tenant}`
			: sql`(select tenant_id from environments where id = ${whose.environment})`;
	const { rows } = await sql<Owner>`
		select id, name, pg_advisory_xact_lock(${quotasLock}, hashtext(id)) from tenants
		where id = ${id} and jsonb_strip_nulls(settings -> 'quota') <> '{}'`.execute(
		db,
	);
	return rows[0];
}

/** As it is now, whatever it was when the caller was let in. */
export async function loadQuota(db: Db, tenant: TenantId): Promise<Quota> {
	const { rows } = await sql<{ quota: Partial<Quota> | null }>`
		select settings -> 'quota' as quota from tenants where id = ${tenant}`.execute(
		db,
	);
	return quota.parse(rows[0]?.quota ?? {});
}

/**
 * What each environment of a tenant takes. While something moves it, the most of what it was and of what it may become: of
 * the revision that runs, of the one that is wished for, and of each between that somebody began or is to begin. It is asleep
 * once it is hibernated, until somebody orders that it wake.
 */
const shares = (tenant: RawBuilder<unknown>) => sql`(
	select e.id, e.name, is_active as "isActive",
		case when is_active then demand.cpu_millis else 0 end as "cpuMillis",
		case when is_active then demand.memory_mib else 0 end as "memoryMiB"
	from environments e
	cross join lateral (
		select coalesce(max(r.cpu_millis), 0) as cpu_millis, coalesce(max(r.memory_mib), 0) as memory_mib
		from revisions r
		where r.environment_id = e.id and r.number >= coalesce(e.revision, 1)
			and (r.number = e.revision or e.lifecycle <> 'ready' and (
				r.number = e.desired_revision
				or exists (
					select from operations o where o.environment_id = e.id and o.revision_to = r.number
					and (o.is_touched or o.finished_at is null))))
	) as demand
	cross join lateral (
		select e.lifecycle <> 'hibernated' and not (
			e.lifecycle in ('destroying', 'failed') and e.revision = e.desired_revision and exists (
				select from revisions s where s.environment_id = e.id and s.number = e.revision
				and s.power = 'hibernated')) as is_active
	) as sleep
	where e.tenant_id = ${tenant} and e.lifecycle <> 'destroyed')`;

/** What all of a tenant's environments take together. */
export async function measureUsage(db: Db, tenant: TenantId): Promise<Usage> {
	await measureRevisions(db, tenant);
	const { rows } = await sql<Usage>`
		select count(*)::int as environments,
			count(*) filter (where "isActive")::int as "activeEnvironments",
			coalesce(sum("cpuMillis"), 0)::float8 as "cpuMillis",
			coalesce(sum("memoryMiB"), 0)::float8 as "memoryMiB"
		from ${shares(sql`${tenant}`)} as share`.execute(db);
	const [usage] = rows;
	if (usage === undefined) throw new Error("a count without a row");
	return usage;
}

/** The environments that take the most by a measure, greatest first, at most `limit`. */
export async function listShares(
	db: Db,
	tenant: TenantId,
	request: {
		readonly by: Measure;
		readonly limit: number;
		/** Of names, in which `*` stands for any text; null: all. */
		readonly pattern: string | null;
	},
): Promise<Share[]> {
	const { by, limit, pattern } = request;
	const order =
		by === "memoryMiB" ? sql`"memoryMiB" desc` : sql`"cpuMillis" desc`;
	const { rows } = await sql<Share>`
		select id, name, "isActive", "cpuMillis"::float8, "memoryMiB"::float8
		from ${shares(sql`${tenant}`)} as share
		where ("isActive" or ${by === "environments"})
			and name like ${(pattern ?? "*").replaceAll("*", "%")}
		order by ${order}, name limit ${limit}`.execute(db);
	return rows;
}

/** Counts what revisions of living environments ask for that were made before that was kept. */
async function measureRevisions(db: Db, tenant: TenantId): Promise<void> {
	const { rows } = await sql<{
		id: EnvironmentId;
		number: number;
		size: Size;
		parameters: object;
	}>`
		select e.id, r.number, r.size, r.parameters
		from revisions r join environments e on e.id = r.environment_id
		where r.cpu_millis is null and e.tenant_id = ${tenant} and e.lifecycle <> 'destroyed'`.execute(
		db,
	);
	for (const { id, number, size, parameters } of rows) {
		const demand = decideDemand({
			size,
			parameters: shownParameters.parse(parameters),
		});
		await db
			.updateTable("revisions")
			.set({ cpu_millis: demand.cpuMillis, memory_mib: demand.memoryMiB })
			.where("environment_id", "=", id)
			.where("number", "=", number)
			.execute();
	}
}

/** What an environment is wished to be; undefined if there is none. */
export async function findChoice(
	db: Db,
	environment: EnvironmentId,
): Promise<Choice | undefined> {
	const { rows } = await sql<Choice>`
		select r.size, g.name as target, e.blueprint
		from environments e join targets g on g.id = e.target_id
		join revisions r on r.environment_id = e.id and r.number = e.desired_revision
		where e.id = ${environment}`.execute(db);
	return rows[0];
}

/** The operations that were ordered in the hour before now, and when the oldest of them is an hour old. */
export async function countOperations(
	db: Db,
	tenant: TenantId,
): Promise<{ readonly used: number; readonly freeAt: Date | null }> {
	const { rows } = await sql<{ used: number; freeAt: Date | null }>`
		select count(*)::int as used, min(created_at) + interval '1 hour' as "freeAt" from operations
		where tenant_id = ${tenant} and created_at > now() - interval '1 hour'`.execute(
		db,
	);
	const [row] = rows;
	if (row === undefined) throw new Error("a count without a row");
	return row;
}
