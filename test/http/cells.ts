// States of an environment, as the verbs and their workers leave them in the database: each is kept as rows and put back
// as often as it is wanted.
import assert from "node:assert/strict";
import { sql } from "kysely";
import {
	type Lifecycle,
	lifecycleAfter,
	movesLifecycle,
} from "../../src/domain/environment.ts";
import type { EnvironmentId, OperationId } from "../../src/domain/ids.ts";
import {
	isTouching,
	maxAttempts,
	type OperationKind,
	type PhaseName,
} from "../../src/domain/operation.ts";
import { sweep } from "../../src/operations/sweep.ts";
import type { Db } from "../../src/store/db.ts";
import {
	loadEnvironment,
	updateEnvironment,
} from "../../src/store/environments.ts";
import { appendEvents } from "../../src/store/events.ts";
import { claimOperation } from "../../src/store/leases.ts";
import { findOperation } from "../../src/store/operations.ts";
import { silentLog } from "../support/given.ts";
import type { Door } from "./door.ts";

/** What is kept of an environment, those first that others refer to. */
const tables = [
	"environments",
	"secrets",
	"revisions",
	"operations",
	"backups",
	"previews",
	"events",
] as const;
/** As text, which is the same for the same rows. */
export type Rows = string;

/** Teaches the database to keep an environment's rows and to put them back, each in one call. */
export async function learnCells(db: Db): Promise<void> {
	const keyOf = (table: string) =>
		table === "environments" ? "id" : "environment_id";
	const each = tables.map(
		(
			table,
		) => `'${table}', (select coalesce(jsonb_agg(to_jsonb(t) order by to_jsonb(t)::text), '[]')
			from ${table} t where t.${keyOf(table)} = whose)`,
	);
	const copies =
		"select id from environments where id = whose or cloned_from ->> 'environment' = whose";
	const deletes = tables
		.toReversed()
		.map(
			(table) => `delete from ${table} where ${keyOf(table)} in (${copies});`,
		);
	const inserts = tables.map(
		(table) => `insert into ${table} overriding system value
			select * from jsonb_populate_recordset(null::${table}, kept -> '${table}');`,
	);
	for (const text of [
		`create function keep_rows(whose text) returns text language sql as
			$$ select jsonb_build_object(${each.join()})::text $$`,
		`create function put_back(whose text, kept jsonb) returns void language plpgsql as
			$$ begin ${deletes.join(" ")} ${inserts.join(" ")} end $$`,
	])
		await sql.raw(text).execute(db);
}

export async function saveRows(db: Db, id: EnvironmentId): Promise<Rows> {
	const { rows } = await sql<{
		kept: Rows;
	}>`select keep_rows(${id}) as kept`.execute(db);
	assert.ok(rows[0]);
	return rows[0].kept;
}

/** Makes the environment what it was, and lets go of what was copied from it. */
export async function putBack(
	db: Db,
	id: EnvironmentId,
	rows: Rows,
): Promise<void> {
	await sql`select put_back(${id}, ${rows}::jsonb)`.execute(db);
}

/** A worker has taken the operation and is in the middle of it. */
export async function begin(
	{ db }: Door,
	id: OperationId,
	kind: OperationKind,
): Promise<void> {
	const claimed = await claimOperation(db, { id, owner: "w", maxAttempts });
	assert.ok(claimed, `${kind} could not be begun`);
	const { environment } = claimed.operation;
	await appendEvents(db, { environment, operation: id }, [
		{ type: "operation.started", data: { kind, attempt: 1 } },
	]);
	const phase = middle[kind] ?? "applying";
	await db
		.updateTable("operations")
		.set({ phase, is_touched: isTouching(phase) })
		.where("id", "=", id)
		.execute();
}

const middle: Partial<Record<OperationKind, PhaseName>> = {
	backup: "backing_up",
	refresh: "refreshing",
	preview: "previewing",
};

/** Its worker was lost, and the next attempt is a while off. */
export async function lose(db: Db, id: OperationId): Promise<void> {
	await sql`update operations set state = 'recovering', lease_owner = null,
		lease_expires_at = now() - interval '1 s', not_before = now() + interval '1 h' where id = ${id}`.execute(
		db,
	);
}

/** It came to its end as it was wished. */
export async function succeed(
	db: Db,
	id: OperationId,
	kind: OperationKind,
): Promise<void> {
	await db
		.updateTable("operations")
		.set({ state: "succeeded", finished_at: new Date(), lease_owner: null })
		.where("id", "=", id)
		.execute();
	const operation = await findOperation(db, id, undefined);
	if (operation === undefined || !movesLifecycle(kind)) return;
	await updateEnvironment(db, operation.environment, {
		lifecycle: lifecycleAfter(kind, true),
		revision: kind === "destroy" ? null : operation.revisionTo,
	});
}

/** Its time was over, and no worker came: ends it as `timed_out`, or as `cancelled` if that was wished. */
export async function expire(door: Door, id: OperationId): Promise<void> {
	await sql`update operations set lease_expires_at = now() - interval '1 s', deadline_at = now() - interval '1 s' where id = ${id}`.execute(
		door.db,
	);
	await sweep({ ...door.installation, log: silentLog });
	const ended = await findOperation(door.db, id, undefined);
	assert.ok(ended?.finishedAt, "it was not ended");
}

export const readLifecycle = async (
	db: Db,
	id: EnvironmentId,
): Promise<Lifecycle> => (await loadEnvironment(db, id)).lifecycle;

export interface Invariants {
	readonly lifecycle: Lifecycle;
	/** Kinds of what is open, oldest first. */
	readonly open: readonly OperationKind[];
	/** How many of them were begun and take turns. */
	readonly active: number;
	/** How many wait without an event that says so. */
	readonly untold: number;
	readonly events: number;
	readonly lastEvent: number;
	readonly counter: number;
	readonly hasDesired: boolean;
}

export async function readInvariants(
	db: Db,
	id: EnvironmentId,
): Promise<Invariants> {
	const { rows } = await sql<Invariants>`
		select e.lifecycle, e.last_event_id::int as counter,
			(select coalesce(jsonb_agg(kind order by sequence), '[]') from operations o where o.environment_id = e.id and finished_at is null) as open,
			(select count(*)::int from operations o where o.environment_id = e.id and kind <> 'preview'
				and state in ('running', 'recovering', 'cancelling')) as active,
			(select count(*)::int from operations o where o.environment_id = e.id and state = 'queued' and not exists (
				select from events v where v.operation_id = o.id and v.type = 'operation.queued')) as untold,
			(select count(*)::int from events v where v.environment_id = e.id) as events,
			(select coalesce(max(v.id), 0)::int from events v where v.environment_id = e.id) as "lastEvent",
			exists (select from revisions r where r.environment_id = e.id and r.number = e.desired_revision) as "hasDesired"
		from environments e where e.id = ${id}`.execute(db);
	assert.ok(rows[0]);
	return rows[0];
}
