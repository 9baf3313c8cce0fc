import { sql } from "kysely";
import type { OnDrift } from "../domain/drift.ts";
import type {
	Endpoints,
	Environment,
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
import { buildOnce } from "./built.ts";
import type { Db } from "./db.ts";
import { cleanUpAt } from "./expiries.ts";

const joinEnvironments = (db: Db) =>
	db
		.selectFrom("environments as e")
		.innerJoin("tenants as t", "t.id", "e.tenant_id")
		.innerJoin("targets as g", "g.id", "e.target_id");

/** What each part of an environment is made of. */
export const environmentColumns = {
	id: ["e.id"],
	name: ["e.name"],
	tenant: ["t.name as tenant_name"],
	blueprint: ["e.blueprint"],
	description: ["e.description"],
	labels: ["e.labels"],
	lifecycle: ["e.lifecycle"],
	health: ["e.health"],
	healthReasons: ["e.health_reasons"],
	drift: ["e.drift", "e.drift_checked_at"],
	onDrift: ["e.on_drift"],
	target: ["g.name as target_name"],
	namespace: ["e.namespace"],
	revision: ["e.revision"],
	desiredRevision: ["e.desired_revision"],
	endpoints: ["e.endpoints"],
	versions: ["e.versions"],
	warnings: ["e.warnings"],
	expiresAt: ["e.expires_at"],
	onExpiry: ["e.on_expiry"],
	failureTtlSeconds: ["e.failure_ttl_seconds"],
	cleanUpAt: [cleanUpAt.as("clean_up_at")],
	clonedFrom: ["e.cloned_from"],
	schedule: ["e.schedule"],
	transition: ["e.transition_at", "e.transition_to"],
	createdAt: ["e.created_at"],
	updatedAt: ["e.updated_at"],
} as const satisfies Record<keyof Environment, readonly unknown[]>;

const wholeEnvironment = Object.values(environmentColumns).flat();

const selectEnvironments = (db: Db) =>
	joinEnvironments(db).select(wholeEnvironment);

// Word for word the condition of the index on names: a plan for any value of a parameter could not use it.
export const isAlive = sql<boolean>`e.lifecycle <> 'destroyed'`;

export type EnvironmentRow = Awaited<
	ReturnType<ReturnType<typeof selectEnvironments>["executeTakeFirstOrThrow"]>
>;

/** Of a column that was not read nothing is made: the part is undefined. */
export const toEnvironment = (row: EnvironmentRow): Environment => ({
	id: row.id,
	name: row.name,
	tenant: row.tenant_name,
	blueprint: row.blueprint,
	description: row.description,
	labels: row.labels,
	lifecycle: row.lifecycle,
	health: row.health,
	healthReasons: row.health_reasons,
	drift: row.drift_checked_at && {
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
	transition: row.transition_at &&
		row.transition_to && { at: row.transition_at, to: row.transition_to },
	createdAt: row.created_at,
	updatedAt: row.updated_at,
});

/** Which tenant's environments may be seen; undefined: all of them. */
export type Scope = TenantId | undefined;

const findById = buildOnce((db, id: EnvironmentId) =>
	selectEnvironments(db).where("e.id", "=", id),
);

const findByIdWithin = buildOnce((db, id: EnvironmentId, scope: TenantId) =>
	selectEnvironments(db)
		.where("e.id", "=", id)
		.where("e.tenant_id", "=", scope),
);

const findByName = buildOnce((db, name: string, tenant: TenantId) =>
	selectEnvironments(db)
		.where("e.name", "=", name)
		.where("e.tenant_id", "=", tenant)
		.where(isAlive),
);

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
	const { idOrName, scope, tenant } = lookup;
	const [row] = !isEnvironmentId(idOrName)
		? await findByName(db, idOrName, scope ?? tenant)
		: scope === undefined
			? await findById(db, idOrName)
			: await findByIdWithin(db, idOrName, scope);
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
	const [row] = await findById(db, id);
	if (row === undefined) throw new Error(`there is no environment ${id}`);
	return toEnvironment(row);
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
