import { sql } from "kysely";
import type { OnDrift } from "../domain/drift.ts";
import type {
	Endpoints,
	Environment,
	EnvironmentSort,
	Lifecycle,
} from "../domain/environment.ts";
import { type OnExpiry, readDuration } from "../domain/expiry.ts";
import type { Health } from "../domain/health.ts";
import {
	type EnvironmentId,
	isEnvironmentId,
	type TargetId,
	type TenantId,
} from "../domain/ids.ts";
import type { Schedule, Transition } from "../domain/schedule.ts";
import type { Size } from "../domain/spec.ts";
import type { Db } from "./db.ts";
import { cleanUpAt } from "./expiries.ts";
import { type PageOrder, type PageRequest, readPage } from "./page.ts";

const selectEnvironments = (db: Db) =>
	db
		.selectFrom("environments as e")
		.innerJoin("tenants as t", "t.id", "e.tenant_id")
		.innerJoin("targets as g", "g.id", "e.target_id")
		.selectAll("e")
		.select([
			"t.name as tenant_name",
			"g.name as target_name",
			cleanUpAt.as("clean_up_at"),
		]);

// Word for word the condition of the index on names: a plan for any value of a parameter could not use it.
const isAlive = sql<boolean>`e.lifecycle <> 'destroyed'`;

type Row = Awaited<
	ReturnType<ReturnType<typeof selectEnvironments>["executeTakeFirstOrThrow"]>
>;

const toEnvironment = (row: Row): Environment => ({
	id: row.id,
	name: row.name,
	tenant: row.tenant_name,
	blueprint: row.blueprint,
	description: row.description,
	labels: row.labels,
	lifecycle: row.lifecycle,
	health: row.health,
	healthReasons: row.health_reasons,
	drift:
		row.drift_checked_at === null
			? null
			: {
					checkedAt: row.drift_checked_at.toISOString(),
					items: row.drift ?? [],
				},
	onDrift: row.on_drift,
	target: row.target_name,
	namespace: row.namespace,
	revision: row.revision,
	desiredRevision: row.desired_revision,
	endpoints: row.endpoints,
	versions: row.versions,
	warnings: row.warnings,
	expiresAt: row.expires_at,
	onExpiry: row.on_expiry,
	failureTtlSeconds: row.failure_ttl_seconds,
	cleanUpAt: row.clean_up_at,
	clonedFrom: row.cloned_from,
	schedule: row.schedule,
	transition:
		row.transition_at === null || row.transition_to === null
			? null
			: { at: row.transition_at, to: row.transition_to },
	createdAt: row.created_at,
	updatedAt: row.updated_at,
});

/** Which tenant's environments may be seen; undefined: all of them. */
export type Scope = TenantId | undefined;

/**
 * By id, or by the name of a living one within `tenant`. What lies outside the scope is not found, exactly
 * like what does not exist.
 */
export async function findEnvironment(
	db: Db,
	lookup: {
		readonly idOrName: string;
		readonly scope: Scope;
		readonly tenant: TenantId;
	},
): Promise<Environment | undefined> {
	let query = selectEnvironments(db);
	if (lookup.scope !== undefined) {
		query = query.where("e.tenant_id", "=", lookup.scope);
	}
	query = isEnvironmentId(lookup.idOrName)
		? query.where("e.id", "=", lookup.idOrName)
		: query
				.where("e.name", "=", lookup.idOrName)
				.where("e.tenant_id", "=", lookup.tenant)
				.where(isAlive);
	const row = await query.executeTakeFirst();
	return row && toEnvironment(row);
}

/** Locks the row until the transaction ends: whoever decides about an environment does so alone. */
export async function lockEnvironment(
	db: Db,
	id: EnvironmentId,
): Promise<Environment> {
	await db
		.selectFrom("environments")
		.select("id")
		.where("id", "=", id)
		.forUpdate()
		.executeTakeFirstOrThrow();
	return loadEnvironment(db, id);
}

export async function loadEnvironment(
	db: Db,
	id: EnvironmentId,
): Promise<Environment> {
	const row = await selectEnvironments(db)
		.where("e.id", "=", id)
		.executeTakeFirstOrThrow();
	return toEnvironment(row);
}

export interface EnvironmentFilter {
	readonly blueprint?: string | undefined;
	/** With size: of the desired revision. */
	readonly release?: string | undefined;
	readonly size?: Size | undefined;
	readonly lifecycle?: Lifecycle | undefined;
	readonly health?: Health | undefined;
	readonly name?: string | undefined;
	/** In which `*` stands for any text; names themselves have nothing that LIKE would take for more than itself. */
	readonly pattern?: string | null;
	/** All of them must be there. */
	readonly labels?: Readonly<Record<string, string>> | undefined;
}

/** What they can be sorted by; a hyphen turns it round. */
const orders: Readonly<Record<EnvironmentSort, PageOrder>> = {
	createdAt: { column: "e.created_at", id: "e.id", isDescending: false },
	"-createdAt": { column: "e.created_at", id: "e.id", isDescending: true },
	name: { column: "e.name", id: "e.id", isDescending: false },
	"-updatedAt": { column: "e.updated_at", id: "e.id", isDescending: true },
};

/** Destroyed ones only when asked for by lifecycle. */
export async function listEnvironments(
	db: Db,
	scope: Scope,
	request: PageRequest & {
		readonly filter: EnvironmentFilter;
		readonly sort: EnvironmentSort;
	},
): Promise<Environment[]> {
	const { filter } = request;
	let query = selectEnvironments(db);
	if (scope !== undefined) query = query.where("e.tenant_id", "=", scope);
	query =
		filter.lifecycle === undefined
			? query.where(isAlive)
			: query.where("e.lifecycle", "=", filter.lifecycle);
	if (filter.health !== undefined)
		query = query.where("e.health", "=", filter.health);
	if (filter.blueprint !== undefined)
		query = query.where("e.blueprint", "=", filter.blueprint);
	if (filter.release !== undefined)
		query = query.where(
			sql<boolean>`exists (select from revisions r where r.environment_id = e.id and r.number = e.desired_revision and r.release = ${filter.release})`,
		);
	if (filter.size !== undefined)
		query = query.where(
			sql<boolean>`exists (select from revisions r where r.environment_id = e.id and r.number = e.desired_revision and r.size = ${filter.size})`,
		);
	if (filter.name !== undefined)
		query = query.where("e.name", "=", filter.name);
	if (filter.pattern != null)
		query = query.where("e.name", "like", filter.pattern.replaceAll("*", "%"));
	if (filter.labels !== undefined && Object.keys(filter.labels).length > 0) {
		query = query.where(
			sql<boolean>`e.labels @> ${JSON.stringify(filter.labels)}::jsonb`,
		);
	}
	const page = readPage(query, request, orders[request.sort]);
	return (await page.execute()).map(toEnvironment);
}

export interface PlannedSchedule {
	readonly schedule: Schedule;
	readonly transition: Transition;
}

/** What needs no operation: returns whether there was such an environment. */
export async function describeEnvironment(
	db: Db,
	id: EnvironmentId,
	change: {
		readonly labels?: Readonly<Record<string, string>> | undefined;
		readonly description?: string | undefined;
		readonly onExpiry?: OnExpiry | undefined;
		readonly failureTtl?: string | null | undefined;
		/** With its first transition; null takes it away. */
		readonly schedule?: PlannedSchedule | null | undefined;
		readonly onDrift?: OnDrift | undefined;
	},
): Promise<void> {
	await db
		.updateTable("environments")
		.set({
			updated_at: sql<Date>`now()`,
			...(change.labels && { labels: JSON.stringify(change.labels) }),
			...(change.description !== undefined && {
				description: change.description,
			}),
			...(change.onExpiry !== undefined && {
				on_expiry: change.onExpiry,
				// One whose time is over already has another end from now on.
				notice_at: sql<Date>`case when expiry_told_at is null then notice_at else now() end`,
			}),
			...(change.failureTtl !== undefined && {
				failure_ttl_seconds:
					change.failureTtl === null ? null : readDuration(change.failureTtl),
			}),
			...(change.schedule !== undefined && {
				schedule: change.schedule && JSON.stringify(change.schedule.schedule),
				transition_at: change.schedule?.transition.at ?? null,
				transition_to: change.schedule?.transition.to ?? null,
			}),
			...(change.onDrift && { on_drift: change.onDrift }),
		})
		.where("id", "=", id)
		.execute();
}

/** The part of an environment's row that operations move. */
export async function updateEnvironment(
	db: Db,
	id: EnvironmentId,
	change: {
		readonly lifecycle?: Lifecycle;
		readonly health?: Health;
		readonly revision?: number | null;
		readonly desiredRevision?: number;
		readonly endpoints?: Endpoints | null;
		readonly versions?: Readonly<Record<string, string>>;
		readonly warnings?: readonly string[];
	},
): Promise<void> {
	const { desiredRevision, endpoints, versions, warnings, ...rest } = change;
	await db
		.updateTable("environments")
		.set({
			...rest,
			// Whoever writes the health here knows no reasons; the watcher adds them.
			...(rest.health !== undefined && { health_reasons: "[]" }),
			updated_at: sql<Date>`now()`,
			...(desiredRevision !== undefined && {
				desired_revision: desiredRevision,
			}),
			...(endpoints !== undefined && { endpoints: JSON.stringify(endpoints) }),
			...(versions !== undefined && { versions: JSON.stringify(versions) }),
			...(warnings !== undefined && { warnings: JSON.stringify(warnings) }),
		})
		.where("id", "=", id)
		.execute();
}

/** The target of an environment, which never changes. */
export async function loadEnvironmentTarget(
	db: Db,
	id: EnvironmentId,
): Promise<TargetId> {
	const row = await db
		.selectFrom("environments")
		.select("target_id")
		.where("id", "=", id)
		.executeTakeFirstOrThrow();
	return row.target_id;
}

/** An environment that was not destroyed, and where it is. */
export interface LivingEnvironment {
	readonly environment: EnvironmentId;
	readonly tenant: string;
	readonly namespace: string;
	readonly target: string;
	/** The same for two targets that are one cluster. */
	readonly cluster: string;
}

export async function listLivingEnvironments(
	db: Db,
): Promise<LivingEnvironment[]> {
	return db
		.selectFrom("environments as e")
		.innerJoin("tenants as t", "t.id", "e.tenant_id")
		.innerJoin("targets as g", "g.id", "e.target_id")
		.select([
			"e.id as environment",
			"t.name as tenant",
			"e.namespace",
			"g.name as target",
			"g.cluster_identifier as cluster",
		])
		.where("e.lifecycle", "<>", "destroyed")
		.orderBy("e.created_at")
		.execute();
}

/** The tenant that an environment belongs to, which never changes. */
export async function loadEnvironmentTenant(
	db: Db,
	id: EnvironmentId,
): Promise<TenantId> {
	const row = await db
		.selectFrom("environments")
		.select("tenant_id")
		.where("id", "=", id)
		.executeTakeFirstOrThrow();
	return row.tenant_id;
}
