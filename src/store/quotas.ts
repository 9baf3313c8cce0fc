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

/** Undefined where the tenant has no limit at all. */
export async function findLimited(
	db: Db,
	whose: QuotaOf,
): Promise<Owner | undefined> {
	const id =
		"tenant" in whose
			? sql`${whose.tenant}`
			: sql`(select tenant_id from environments where id = ${whose.environment})`;
	const { rows } = await sql<Owner>`
		select id, name from tenants
		where id = ${id} and jsonb_strip_nulls(settings -> 'quota') <> '{}'`.execute(
		db,
	);
	return rows[0];
}

/**
 * Until the transaction ends nobody else uses more of the tenant's quota. To be called with all rows locked that are
 * written: the other way round two could wait for each other.
 */
export async function lockQuota(db: Db, tenant: TenantId): Promise<void> {
	await sql`select pg_advisory_xact_lock(${quotasLock}, hashtext(${tenant}))`.execute(
		db,
	);
}

/**
 * What each environment of a tenant takes. While something moves it, the most of what it was and of what it may become: of
 * the revision that runs, of the one that is wished for, and of each between that somebody began or is to begin. It is asleep
 * once it is hibernated, until somebody orders that it wake.
 */
const shares = (which: RawBuilder<unknown>) => sql`(
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
	where ${which} and e.lifecycle <> 'destroyed')`;

const ofTenant = (tenant: TenantId) => sql`e.tenant_id = ${tenant}`;

/** One environment, as what its tenant's quota is about. */
export interface Weight {
	/** What it alone takes. */
	readonly own: Usage;
	readonly choice: Choice;
}

const nothing: Usage = {
	environments: 0,
	activeEnvironments: 0,
	cpuMillis: 0,
	memoryMiB: 0,
};

/** A sum of shares. */
const sums = sql`
	count(*)::int as environments,
	count(*) filter (where "isActive")::int as "activeEnvironments",
	coalesce(sum("cpuMillis"), 0)::float8 as "cpuMillis",
	coalesce(sum("memoryMiB"), 0)::float8 as "memoryMiB"`;

const weightOf = (environment: EnvironmentId) => sql`(
	select jsonb_build_object(
		'own', (select to_jsonb(own) from (
			select ${sums} from ${shares(sql`e.id = ${environment}`)} as share) as own),
		'choice', jsonb_build_object('size', r.size, 'target', g.name, 'blueprint', e.blueprint))
	from environments e join targets g on g.id = e.target_id
	join revisions r on r.environment_id = e.id and r.number = e.desired_revision
	where e.id = ${environment})`;

/** Undefined if there is no such environment. */
export async function weigh(
	db: Db,
	environment: EnvironmentId,
): Promise<Weight | undefined> {
	const { rows } = await sql<{ weight: Weight | null }>`
		select ${weightOf(environment)} as weight`.execute(db);
	return rows[0]?.weight ?? undefined;
}

/** What a tenant has ordered lately. */
export interface Pace {
	/** As they are now, whatever they were when the caller was let in. */
	readonly limits: Quota;
	/** The operations that were ordered in the hour before now. */
	readonly operations: number;
	/** When the oldest of them is an hour old; null where there is none. */
	readonly operationsFreeAt: Date | null;
}

interface PaceRow {
	readonly quota: Partial<Quota> | null;
	readonly operations: number;
	readonly free_at: Date | null;
}

const toPace = (row: PaceRow): Pace => ({
	limits: quota.parse(row.quota ?? {}),
	operations: row.operations,
	operationsFreeAt: row.free_at,
});

const tenantsWithPace = sql`tenants t cross join lateral (
	select count(*)::int as operations, min(o.created_at) + interval '1 hour' as free_at from operations o
	where o.tenant_id = t.id and o.created_at > now() - interval '1 hour') as pace`;

export async function readPace(db: Db, tenant: TenantId): Promise<Pace> {
	const { rows } = await sql<PaceRow>`
		select t.settings -> 'quota' as quota, pace.*
		from ${tenantsWithPace} where t.id = ${tenant}`.execute(db);
	const [row] = rows;
	if (row === undefined) throw new Error(`the tenant ${tenant} is gone`);
	return toPace(row);
}

/** All that a tenant's quota is held against. */
export interface Account extends Pace {
	/** What all of its environments take together. */
	readonly usage: Usage;
}

interface AccountRow extends PaceRow {
	readonly usage: Usage | null;
	readonly weight: Weight | null;
	readonly is_unmeasured: boolean;
}

/** In one question: orders of the tenant wait meanwhile. With the weight of one of its environments, if one is named. */
export async function readAccount(
	db: Db,
	tenant: TenantId,
	environment?: EnvironmentId,
): Promise<Account & { readonly weight: Weight | undefined }> {
	const { rows } = await sql<AccountRow>`
		select t.settings -> 'quota' as quota, pace.*,
			(select to_jsonb(usage) from (
				select ${sums} from ${shares(ofTenant(tenant))} as share) as usage) as usage,
			${environment === undefined ? sql`null::jsonb` : weightOf(environment)} as weight,
			exists (${unmeasured(tenant)}) as is_unmeasured
		from ${tenantsWithPace} where t.id = ${tenant}`.execute(db);
	const [row] = rows;
	if (row === undefined) throw new Error(`the tenant ${tenant} is gone`);
	if (row.is_unmeasured) {
		await measureRevisions(db, tenant);
		return readAccount(db, tenant, environment);
	}
	return {
		...toPace(row),
		usage: row.usage ?? nothing,
		weight: row.weight ?? undefined,
	};
}

/** The revisions of living environments from before it was kept what they ask for. */
const unmeasured = (tenant: TenantId) => sql`
	select e.id, r.number, r.size, r.parameters
	from revisions r join environments e on e.id = r.environment_id
	where r.cpu_millis is null and e.tenant_id = ${tenant} and e.lifecycle <> 'destroyed'`;

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
		from ${shares(ofTenant(tenant))} as share
		where ("isActive" or ${by === "environments"})
			and name like ${(pattern ?? "*").replaceAll("*", "%")}
		order by ${order}, name limit ${limit}`.execute(db);
	return rows;
}

async function measureRevisions(db: Db, tenant: TenantId): Promise<void> {
	const { rows } = await sql<{
		id: EnvironmentId;
		number: number;
		size: Size;
		parameters: object;
	}>`${unmeasured(tenant)}`.execute(db);
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
