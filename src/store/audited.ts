// How a thing stands, for the audit log: chosen columns, and none of those that are sealed or hold a hash.
import { type RawBuilder, sql } from "kysely";
import type { AuditedKind, AuditedThing } from "../domain/audit.ts";
import type { TenantId } from "../domain/ids.ts";
import { activeStates } from "../domain/operation.ts";
import { attempt, type Db } from "./db.ts";

/** A query of at most one row: `tenant_id`, `environment_id`, `id`, `state`. Names of environments are those of `tenant`. */
type Query = (
	id: string,
	tenant: TenantId | null,
) => RawBuilder<{ state: object }>;

const queries: Readonly<Record<AuditedKind, Query>> = {
	environment: (id, tenant) => sql`
		select e.tenant_id, e.id as environment_id, e.id, jsonb_build_object(
			'name', e.name, 'lifecycle', e.lifecycle, 'revision', e.revision, 'desiredRevision', e.desired_revision,
			'release', r.release, 'size', r.size, 'power', r.power, 'parameters', r.parameters,
			'description', e.description, 'labels', e.labels, 'schedule', e.schedule, 'onDrift', e.on_drift,
			'expiresAt', e.expires_at, 'onExpiry', e.on_expiry, 'failureTtlSeconds', e.failure_ttl_seconds
		) as state
		from environments e
		left join revisions r on r.environment_id = e.id and r.number = e.desired_revision
		where e.id = ${id} or (e.name = ${id} and e.tenant_id = ${tenant} and e.lifecycle <> 'destroyed')
		limit 1`,
	operation: (id) => sql`
		select o.tenant_id, o.environment_id, o.id, jsonb_build_object(
			'kind', o.kind, 'state', o.state, 'revisionFrom', o.revision_from, 'revisionTo', o.revision_to,
			'requestedBy', o.requested_by, 'retryOf', o.retry_of, 'causedBy', o.caused_by, 'approvedBy', o.approved_by,
			'cancelledBy', o.cancel_requested_by, 'keepsBackups', o.keeps_backups, 'options', o.options
		) as state
		from operations o where o.id = ${id}`,
	tenant: (id) => sql`
		select t.id as tenant_id, null as environment_id, t.name as id, jsonb_build_object(
			'settings', t.settings, 'approvals', t.approvals
		) as state
		from tenants t where t.name = ${id}`,
	token: (id) => sql`
		select t.tenant_id, null as environment_id, t.id, jsonb_build_object(
			'name', t.name, 'role', t.role, 'permissions', t.permissions, 'environments', t.environments,
			'expiresAt', t.expires_at, 'revokedAt', t.revoked_at
		) as state
		from tokens t where t.id = ${id}`,
	"identity-rule": (id) => sql`
		select r.tenant_id, null as environment_id, r.id, jsonb_build_object(
			'issuer', r.issuer, 'claims', r.claims, 'kind', r.kind, 'role', r.role,
			'permissions', r.permissions, 'environments', r.environments
		) as state
		from identity_rules r where r.id = ${id}`,
	release: (id) => sql`
		select null as tenant_id, null as environment_id, r.name as id, jsonb_build_object('images', r.images) as state
		from releases r where r.name = ${id}`,
	rollout: (id) => sql`
		select null as tenant_id, null as environment_id, r.id, jsonb_build_object(
			'release', r.release, 'selector', r.selector, 'maxConcurrent', r.max_concurrent, 'state', r.state,
			'requestedBy', r.requested_by, 'abortedBy', r.aborted_by
		) as state
		from rollouts r where r.id = ${id}`,
	webhook: (id) => sql`
		select w.tenant_id, null as environment_id, w.id, jsonb_build_object(
			'url', w.shown_url, 'description', w.description, 'types', w.types, 'environments', w.environments,
			'active', w.is_active, 'disabledReason', w.disabled_reason,
			'previousSecretUntil', w.previous_secret_until, 'deletedAt', w.deleted_at
		) as state
		from webhooks w where w.id = ${id}`,
	delivery: (id) => sql`
		select w.tenant_id, d.environment_id, d.id, jsonb_build_object(
			'webhook', d.webhook_id, 'event', d.event_id, 'type', d.type, 'state', d.state, 'attempts', d.attempts
		) as state
		from deliveries d join webhooks w on w.id = d.webhook_id where d.id = ${id}`,
};

const nothing = sql`
	select null as tenant_id, null as environment_id, null as id, null::jsonb as state where false`;

/** For the end of a statement: no row where there is no such thing. */
export const selectState = (
	thing: AuditedThing | null,
	tenant: TenantId | null,
) => (thing === null ? nothing : queries[thing.kind](thing.id, tenant));

/** Who is about to change something. */
export interface Changer {
	/** Whose names of environments are meant. */
	readonly tenant: TenantId;
	/** Whose things he may change; undefined: everybody's. */
	readonly scope: TenantId | undefined;
}

/**
 * As it is at this moment, for the transaction that will change it, with its row locked to the end of that: what one change
 * has left is what the next one finds. null: it is not there, or not his. To be called before anything else is locked.
 */
export async function lockState(
	db: Db,
	thing: AuditedThing,
	changer: Changer,
): Promise<object | null> {
	await locks[thing.kind](db, thing.id, changer);
	const { rows } = await queries[thing.kind](thing.id, changer.tenant).execute(
		db,
	);
	return rows[0]?.state ?? null;
}

type Lock = (db: Db, id: string, changer: Changer) => Promise<unknown>;

const ownedBy = ({ scope }: Changer) =>
	scope === undefined ? sql`true` : sql`tenant_id = ${scope}`;

const lockBy =
	(select: (id: string, changer: Changer) => RawBuilder<unknown>): Lock =>
	(db, id, changer) =>
		select(id, changer).execute(db);

/**
 * As strong as what its verbs lock: a weaker lock that is raised later would wait for those who wait for it. Where only the
 * key must stay, others may refer to it meanwhile.
 */
const locks: Readonly<Record<AuditedKind, Lock>> = {
	environment: lockBy(
		(id, changer) => sql`
			select from environments
			where (id = ${id} or (name = ${id} and tenant_id = ${changer.tenant} and lifecycle <> 'destroyed'))
				and ${ownedBy(changer)}
			limit 1 for update`,
	),
	operation: async (db, id, changer) => {
		while (!(await tryToLockOperation(db, id, changer)));
	},
	tenant: lockBy(
		(name) => sql`select from tenants where name = ${name} for no key update`,
	),
	token: lockBy(
		(id, changer) =>
			sql`select from tokens where id = ${id} and ${ownedBy(changer)} for no key update`,
	),
	"identity-rule": lockBy(
		(id, changer) =>
			sql`select from identity_rules where id = ${id} and ${ownedBy(changer)} for update`,
	),
	release: lockBy(
		(name) => sql`select from releases where name = ${name} for no key update`,
	),
	rollout: lockBy(
		(id) => sql`select from rollouts where id = ${id} for update`,
	),
	webhook: lockBy(
		(id, changer) =>
			sql`select from webhooks where id = ${id} and ${ownedBy(changer)} for no key update`,
	),
	delivery: lockBy(
		(id, changer) => sql`
			select from deliveries d join webhooks w on w.id = d.webhook_id
			where d.id = ${id} and ${ownedBy(changer)} for no key update of d`,
	),
};

/**
 * One that somebody works on is locked before its environment, as its owner does it, and any other one after it, as verbs do
 * it. False: it was the other one by the time that it was had, and nothing is locked.
 */
async function tryToLockOperation(
	db: Db,
	id: string,
	changer: Changer,
): Promise<boolean> {
	const { rows } = await sql<{ environment: string; isActive: boolean }>`
		select environment_id as environment, state = any(${activeStates}) as "isActive"
		from operations where id = ${id} and ${ownedBy(changer)}`.execute(db);
	const [found] = rows;
	if (found === undefined) return true;
	const { environment, isActive } = found;
	const locked = await attempt(db, async (trx) => {
		if (!isActive)
			await sql`select from environments where id = ${environment} for update`.execute(
				trx,
			);
		const { rows } = await sql`
			select from operations where id = ${id} and (state = any(${activeStates})) = ${isActive}
			for no key update`.execute(trx);
		return rows.length > 0 || undefined;
	});
	return locked ?? false;
}
