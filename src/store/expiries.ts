// When environments end, and who is due. All times are the database's.
import { type RawBuilder, sql } from "kysely";
import { decideNextNotice, type OnExpiry } from "../domain/expiry.ts";
import type { EnvironmentId } from "../domain/ids.ts";
import { type TenantSettings, tenantSettings } from "../domain/tenant.ts";
import type { Db } from "./db.ts";

const fromNow = (seconds: number | null): RawBuilder<Date | null> =>
	sql`now() + make_interval(secs => ${seconds}::float8)`;

/** The columns of an environment that lives for so long from now on; null: for ever. */
export const planEnd = (ttlSeconds: number | null) => ({
	expires_at: fromNow(ttlSeconds),
	notice_at: fromNow(
		ttlSeconds === null ? null : ttlSeconds - decideNextNotice(ttlSeconds),
	),
});

export async function setExpiry(
	db: Db,
	id: EnvironmentId,
	ttlSeconds: number | null,
): Promise<void> {
	await db
		.updateTable("environments")
		.set({
			...planEnd(ttlSeconds),
			expiry_told_at: null,
			updated_at: sql<Date>`now()`,
		})
		.where("id", "=", id)
		.execute();
}

export interface DueExpiry {
	readonly id: EnvironmentId;
	readonly expiresAt: Date;
	/** Until the end, in milliseconds. */
	readonly leftMs: number;
	readonly onExpiry: OnExpiry;
	/** The end was told already. */
	readonly isTold: boolean;
}

/** Locks and returns the one that is due for longest and that no other process has in its hands. */
export async function takeDueExpiry(db: Db): Promise<DueExpiry | undefined> {
	const { rows } = await sql<DueExpiry>`
		select id, expires_at as "expiresAt", on_expiry as "onExpiry", expiry_told_at is not null as "isTold",
			extract(epoch from expires_at - now())::float8 * 1000 as "leftMs"
		from environments
		where notice_at <= now() and lifecycle <> 'destroyed'
		order by notice_at limit 1 for update skip locked`.execute(db);
	return rows[0];
}

/** After a warning: what is to be told next, so many seconds before the end. */
export async function planNotice(
	db: Db,
	id: EnvironmentId,
	leadSeconds: number,
): Promise<void> {
	await db
		.updateTable("environments")
		.set({
			notice_at: sql<Date>`expires_at - make_interval(secs => ${leadSeconds})`,
		})
		.where("id", "=", id)
		.execute();
}

/** After the end was told: when it is looked whether it came about. */
export async function planAnotherLook(
	db: Db,
	id: EnvironmentId,
	afterSeconds: number,
): Promise<void> {
	await db
		.updateTable("environments")
		.set({
			notice_at: sql<Date>`now() + make_interval(secs => ${afterSeconds})`,
			expiry_told_at: sql<Date>`coalesce(expiry_told_at, now())`,
		})
		.where("id", "=", id)
		.execute();
}

/** After a look that went wrong, so that others have their turn. */
export async function putOffNotice(
	db: Db,
	id: EnvironmentId,
	afterSeconds: number,
): Promise<void> {
	await db
		.updateTable("environments")
		.set({
			notice_at: sql<Date>`now() + make_interval(secs => ${afterSeconds})`,
		})
		.where("id", "=", id)
		.where("notice_at", "is not", null)
		.execute();
}

/**
 * When the environment `e` is destroyed because its create did not succeed; null for all others. Counted from the end of
 * the newest operation, and never less than an hour after a destroy that did not succeed either.
 */
export const cleanUpAt = sql<Date | null>`
	case when e.lifecycle = 'failed' and e.revision is null and e.failure_ttl_seconds is not null then (
		select max(o.finished_at) + make_interval(secs =>
			case when bool_or(o.kind = 'destroy') then greatest(e.failure_ttl_seconds, 3600) else e.failure_ttl_seconds end)
		from operations o where o.environment_id = e.id
	) end`;

export interface Uncreated {
	readonly id: EnvironmentId;
	readonly cleanUpAt: Date;
}

/** Locks and returns one whose create did not succeed and whose time after that is over. */
export async function takeUncreated(db: Db): Promise<Uncreated | undefined> {
	const { rows } = await sql<Uncreated>`
		select e.id, ${cleanUpAt} as "cleanUpAt" from environments e
		where e.lifecycle = 'failed' and e.revision is null and e.failure_ttl_seconds is not null
			and ${cleanUpAt} <= now()
		order by e.created_at limit 1 for update of e skip locked`.execute(db);
	return rows[0];
}

/** Whether the time of an environment is over. */
export async function hasExpired(db: Db, id: EnvironmentId): Promise<boolean> {
	const row = await db
		.selectFrom("environments")
		.select("id")
		.where("id", "=", id)
		.where("expires_at", "<=", sql<Date>`now()`)
		.executeTakeFirst();
	return row !== undefined;
}

/** What is decided elsewhere of what an environment may: by its tenant, and by its target, which may have AWS or not. */
export async function loadSurroundings(
	db: Db,
	id: EnvironmentId,
): Promise<{ readonly settings: TenantSettings; readonly hasCloud: boolean }> {
	const row = await db
		.selectFrom("environments as e")
		.innerJoin("tenants as t", "t.id", "e.tenant_id")
		.innerJoin("targets as g", "g.id", "e.target_id")
		.select(["t.settings", sql<boolean>`g.aws is not null`.as("has_cloud")])
		.where("e.id", "=", id)
		.executeTakeFirstOrThrow();
	return {
		settings: tenantSettings.strip().parse(row.settings),
		hasCloud: row.has_cloud,
	};
}
