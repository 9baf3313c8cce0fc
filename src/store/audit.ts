// The audit log. Lines are added and read; the table itself refuses everything else (migration 0025). Its order is that of the
// transactions that wrote them (migration 0029), in which none appears before another that was carried away.
import { type RawBuilder, sql } from "kysely";
import type {
	AuditActorKind,
	AuditLine,
	NewAuditLine,
} from "../domain/audit.ts";
import type { TenantId } from "../domain/ids.ts";
import type { FailureCode } from "../failure.ts";
import { selectState } from "./audited.ts";
import { type Db, toJsonb } from "./db.ts";
import type { PageRequest } from "./page.ts";

/** For a denial the thing is not looked at: it may be none that the caller may see, or none at all. */
const selectNow = ({ thing, actor, denial }: NewAuditLine) =>
	selectState(denial === null ? thing : null, actor.tenantId);

/**
 * One statement, because it is on the road of every order: it also reads how the thing stands by now. Call it at the end of
 * the transaction of the change.
 */
export async function appendAudit(db: Db, line: NewAuditLine): Promise<void> {
	const { actor, request, thing, before, denial } = line;
	await sql`
		insert into audit (tenant_id, actor_kind, actor_id, actor_name, actor_tenant, address, action, method, path,
			resource_kind, resource_id, environment_id, operation_id, before, after, status, code, reason, attempts, request_id)
		select coalesce(now_is.tenant_id, ${actor.tenantId}), ${actor.kind}, ${actor.id}, ${actor.name}, ${actor.tenant},
			${request?.address ?? null}, ${line.action}, ${request?.method ?? null}, ${request?.path ?? null},
			${thing?.kind ?? null}::text, coalesce(now_is.id, ${thing?.id ?? null}), now_is.environment_id, ${line.operation},
			${before && toJsonb(before)}::jsonb, now_is.state, ${request?.status ?? null}::integer,
			${denial?.code ?? null}, ${denial?.reason ?? null}, ${denial?.attempts ?? 1}::integer, ${request?.requestId ?? null}
		from (select 1) one left join lateral (${selectNow(line)}) now_is on true`.execute(
		db,
	);
}

export interface AuditFilter {
	/** undefined: of all, and what belongs to none. */
	readonly tenant: TenantId | undefined;
	/** Id or name. */
	readonly actor?: string | undefined;
	readonly action?: string | undefined;
	/** Id. */
	readonly environment?: string | undefined;
	readonly since?: Date | undefined;
	readonly until?: Date | undefined;
	/** Only what is behind it. */
	readonly after?: AuditPlace | undefined;
}

/** Where a line is: in the order of stamp and id. */
export interface AuditPlace {
	readonly stamp: number;
	readonly id: number;
}

export type PlacedLine = AuditLine & { readonly place: AuditPlace };

interface Row {
	readonly id: number;
	readonly stamp: number;
	readonly at: Date;
	readonly actor_kind: AuditActorKind;
	readonly actor_id: string | null;
	readonly actor_name: string | null;
	readonly actor_tenant: string | null;
	readonly address: string | null;
	readonly action: string;
	readonly method: string | null;
	readonly path: string | null;
	readonly resource_kind: string | null;
	readonly resource_id: string | null;
	readonly environment_id: string | null;
	readonly operation_id: string | null;
	readonly before: object | null;
	readonly after: object | null;
	readonly status: number | null;
	readonly code: FailureCode | null;
	readonly reason: string | null;
	readonly attempts: number;
	readonly request_id: string | null;
}

const toLine = (row: Row): AuditLine => ({
	id: String(row.id),
	createdAt: row.at,
	actor: {
		kind: row.actor_kind,
		id: row.actor_id,
		name: row.actor_name,
		tenant: row.actor_tenant,
	},
	action: row.action,
	address: row.address,
	method: row.method,
	path: row.path,
	resource:
		row.resource_kind === null || row.resource_id === null
			? null
			: { kind: row.resource_kind, id: row.resource_id },
	environment: row.environment_id,
	operation: row.operation_id,
	before: row.before,
	after: row.after,
	status: row.status,
	code: row.code,
	reason: row.reason,
	attempts: row.attempts,
	requestId: row.request_id,
});

const choose = (filter: AuditFilter): RawBuilder<unknown>[] => {
	const { tenant, actor, action, environment, since, until, after } = filter;
	const parts: RawBuilder<unknown>[] = [sql`true`];
	if (tenant !== undefined) parts.push(sql`tenant_id = ${tenant}`);
	if (actor !== undefined)
		parts.push(sql`(actor_id = ${actor} or actor_name = ${actor})`);
	if (action !== undefined) parts.push(sql`action = ${action}`);
	if (environment !== undefined)
		parts.push(sql`environment_id = ${environment}`);
	if (since !== undefined) parts.push(sql`at >= ${since}`);
	if (until !== undefined) parts.push(sql`at < ${until}`);
	if (after !== undefined)
		parts.push(sql`(stamp, id) > (${after.stamp}, ${after.id})`);
	return parts;
};

/** Newest first. */
export async function listAudit(
	db: Db,
	filter: AuditFilter,
	page: PageRequest,
): Promise<AuditLine[]> {
	const parts = choose(filter);
	if (page.after !== undefined) parts.push(sql`id < ${Number(page.after.id)}`);
	const { rows } = await sql<Row>`
		select * from audit where ${sql.join(parts, sql` and `)}
		order by id desc limit ${page.limit}`.execute(db);
	return rows.map(toLine);
}

/** In their order, as far as it is complete: below a horizon of the transactions. */
export async function listSettledAudit(
	db: Db,
	filter: AuditFilter,
	{ horizon, limit }: { readonly horizon: number; readonly limit: number },
): Promise<PlacedLine[]> {
	const parts = [...choose(filter), sql`stamp < ${horizon}`];
	const { rows } = await sql<Row>`
		select * from audit where ${sql.join(parts, sql` and `)}
		order by stamp, id limit ${limit}`.execute(db);
	return rows.map((row) => ({
		...toLine(row),
		place: { stamp: row.stamp, id: row.id },
	}));
}
