// Updates of stacks: created, started with a lease, ended once. What their clients write meanwhile is in
// state-tickets.ts.
import { sql } from "kysely";
import { Failure } from "../failure.ts";
import type { Db } from "./db.ts";
import type { Lease } from "./leases.ts";
import {
	type Ending,
	type UpdateKind,
	type UpdateState,
	withState,
} from "./state-tables.ts";
import { leaseEnd, ownsOperation, type Ticket } from "./state-tickets.ts";

export interface NewUpdate {
	readonly id: string;
	readonly stack: number;
	readonly kind: UpdateKind;
	readonly isDryRun: boolean;
	readonly requestedBy: string;
	/** Of a worker's run. */
	readonly lease: Lease | undefined;
	readonly clientVersion: string;
	/** JSON texts. */
	readonly environment: string;
	readonly config: string;
	readonly message: string;
}

export interface Update {
	readonly id: string;
	readonly stack: number;
	readonly kind: UpdateKind;
	readonly isDryRun: boolean;
	readonly state: UpdateState;
	readonly ending: Ending | null;
	readonly version: number | null;
	readonly lease: Lease | undefined;
	readonly tokenHash: Buffer | null;
	readonly clientVersion: string;
	readonly journalVersion: number;
	readonly baseVersion: number | null;
	readonly forgetsPending: boolean;
	readonly isRefused: boolean;
	readonly checkpoint: string | null;
}

export async function createUpdate(db: Db, update: NewUpdate): Promise<void> {
	await withState(db)
		.insertInto("updates")
		.values({
			id: update.id,
			stack_id: update.stack,
			kind: update.kind,
			is_dry_run: update.isDryRun,
			state: "created",
			requested_by: update.requestedBy,
			operation_id: update.lease?.operation ?? null,
			fence: update.lease?.fence ?? null,
			client_version: update.clientVersion,
			message: update.message,
			environment: update.environment,
			config: update.config,
		})
		.execute();
}

/** Locks the row until the transaction ends. Throws `not_found`. */
export async function lockUpdate(db: Db, id: string): Promise<Update> {
	await withState(db)
		.selectFrom("updates")
		.select("id")
		.where("id", "=", id)
		.forUpdate()
		.execute();
	return loadUpdate(db, id);
}

/** Throws `not_found`. */
export async function loadUpdate(db: Db, id: string): Promise<Update> {
	const row = await withState(db)
		.selectFrom("updates")
		.selectAll()
		.where("id", "=", id)
		.executeTakeFirst();
	if (row === undefined) {
		throw new Failure({
			code: "not_found",
			message: `There is no update ${id}.`,
			untouched: "Nothing was changed.",
		});
	}
	return {
		id: row.id,
		stack: row.stack_id,
		kind: row.kind,
		isDryRun: row.is_dry_run,
		state: row.state,
		ending: row.ending,
		version: row.version,
		lease:
			row.operation_id === null || row.fence === null
				? undefined
				: { operation: row.operation_id, fence: row.fence },
		tokenHash: row.token_hash,
		clientVersion: row.client_version,
		journalVersion: row.journal_version,
		baseVersion: row.base_version,
		forgetsPending: row.forgets_pending,
		isRefused: row.is_refused,
		checkpoint: row.checkpoint,
	};
}

/** The stack of an update, and how far it is. */
export async function findUpdate(
	db: Db,
	id: string,
): Promise<
	| {
			readonly stack: number;
			readonly state: UpdateState;
			readonly kind: UpdateKind;
	  }
	| undefined
> {
	const row = await withState(db)
		.selectFrom("updates")
		.select(["stack_id", "state", "kind"])
		.where("id", "=", id)
		.executeTakeFirst();
	return row && { stack: row.stack_id, state: row.state, kind: row.kind };
}

/** Gives a created update its lease. The caller holds the stack. */
export async function startUpdate(
	db: Db,
	start: Ticket & {
		readonly version: number | null;
		readonly journalVersion: number;
		readonly baseVersion: number | null;
		readonly forgetsPending: boolean;
		readonly leaseMs: number;
	},
): Promise<{ readonly expiresAt: Date }> {
	const row = await withState(db)
		.updateTable("updates")
		.set({
			state: "running",
			version: start.version,
			token_hash: start.tokenHash,
			journal_version: start.journalVersion,
			base_version: start.baseVersion,
			forgets_pending: start.forgetsPending,
			started_at: sql<Date>`now()`,
			lease_expires_at: leaseEnd(start.leaseMs),
		})
		.where("id", "=", start.update)
		.returning("lease_expires_at")
		.executeTakeFirstOrThrow();
	return { expiresAt: row.lease_expires_at ?? new Date() };
}

export async function closeUpdate(
	db: Db,
	id: string,
	end: { readonly state: "succeeded" | "failed"; readonly ending: Ending },
): Promise<void> {
	await withState(db)
		.updateTable("updates")
		.set({
			state: end.state,
			ending: end.ending,
			started_at: sql<Date>`coalesce(started_at, now())`,
			finished_at: sql<Date>`now()`,
			// It is in the checkpoints now.
			checkpoint: null,
		})
		.where("id", "=", id)
		.execute();
}

/** An update that came into being ended: an import. */
export async function createImport(
	db: Db,
	update: NewUpdate & { readonly version: number },
): Promise<void> {
	await createUpdate(db, update);
	await withState(db)
		.updateTable("updates")
		.set({ version: update.version })
		.where("id", "=", update.id)
		.execute();
	await closeUpdate(db, update.id, { state: "succeeded", ending: "completed" });
}

const isOver = sql<boolean>`(u.lease_expires_at < now() or not ${ownsOperation()})`;

/** The update that moves a stack now, and whether its client's time is over. */
export async function findRunning(
	db: Db,
	stack: number,
): Promise<{ readonly id: string; readonly isOver: boolean } | undefined> {
	const { rows } = await sql<{ id: string; is_over: boolean }>`
		select u.id, ${isOver} as is_over from updates u
		where u.stack_id = ${stack} and u.state = 'running' and not u.is_dry_run`.execute(
		db,
	);
	const [row] = rows;
	return row && { id: row.id, isOver: row.is_over };
}

/** Updates whose client's time is over, oldest first. */
export async function listOverdue(db: Db, limit: number): Promise<string[]> {
	const { rows } = await sql<{ id: string }>`
		select u.id from updates u
		where u.state = 'running' and ${isOver} order by u.started_at limit ${limit}`.execute(
		db,
	);
	return rows.map((row) => row.id);
}

/** What runs for an operation under this fence or an older one. */
export async function listUpdatesOf(db: Db, lease: Lease): Promise<string[]> {
	const rows = await withState(db)
		.selectFrom("updates")
		.select("id")
		.where("operation_id", "=", lease.operation)
		.where("fence", "<=", lease.fence)
		.where("state", "=", "running")
		.execute();
	return rows.map((row) => row.id);
}

/** Forgets previews that ended, and updates that were never started, an hour ago or earlier. */
export async function deleteForgotten(db: Db): Promise<void> {
	await sql`
		delete from updates
		where (state = 'created' or (is_dry_run and finished_at is not null))
		and coalesce(finished_at, created_at) < now() - interval '1 hour'`.execute(
		db,
	);
}
