// Ownership of an operation: a lease with a fencing token. The token is in the WHERE of every statement
// that an owner writes with, so an owner that lost its lease changes nothing, however late it wakes up.
// Checking first and writing then would leave a gap in which the lease can be lost.
import { sql } from "kysely";
import type { OperationId } from "../domain/ids.ts";
import {
	activeStates,
	type Changes,
	decideDeadlines,
	type FinalState,
	isTouching,
	leaseMs,
	listLeastPhases,
	type Operation,
	type OperationKind,
	operationKinds,
	overrunMs,
	type PhaseDeadlines,
	type PhaseName,
	type PhaseRecord,
	phaseDeadlineMs,
	phasesOf,
} from "../domain/operation.ts";
import type { Existing } from "../domain/stock.ts";
import { Failure, type FailureRecord } from "../failure.ts";
import { type Db, toJsonb, violatedIndex } from "./db.ts";
import { isNext, toOperation } from "./operations.ts";

/** What an owner shows with each write. */
export interface Lease {
	readonly operation: OperationId;
	readonly fence: number;
}

export interface Claimed {
	readonly operation: Operation;
	readonly lease: Lease;
	/** Nobody ever claimed it before. */
	readonly isFirstClaim: boolean;
	/** What the operation's target allows each phase, in milliseconds. */
	readonly deadlinesMs: PhaseDeadlines;
	/** What was left of the operation's own time when it was claimed, by the database's clock. */
	readonly leftMs: number;
	/** Of the request that ordered it. */
	readonly traceparent: string | null;
}

const leaseEnd = sql<Date>`now() + make_interval(secs => ${leaseMs / 1000})`;

/** What the target of the operation `o` allows its phases otherwise than the default, in seconds. */
const targetDeadlines = sql<Partial<Record<PhaseName, number>> | null>`(
	select t.settings -> 'deadlines' from targets t join environments e on e.target_id = t.id
	where e.id = o.environment_id)`;

/**
 * All phases together, each with its own time: the operation's budget, queueing not counted. A new environment that
 * begins empty has no use for the hours that data take.
 */
const deadline = sql<Date>`now() + make_interval(secs => case
	when o.kind = 'create' and not o.options ? 'fromBackup' then ${sumOfPhases("create", listLeastPhases("create"))}
	else case o.kind ${sql.join(
		operationKinds.map(
			(kind) => sql`when ${kind} then ${sumOfPhases(kind, phasesOf[kind])}`,
		),
		sql` `,
	)} end end)`;

function sumOfPhases(kind: OperationKind, phases: readonly PhaseName[]) {
	const each = phases.map(
		(phase) =>
			sql`coalesce((${targetDeadlines} ->> ${phase}::text)::float8, ${phaseDeadlineMs(kind, phase) / 1000}::float8)`,
	);
	return sql.join(each, sql` + `);
}

export function lostLease(lease: Lease): Failure {
	return new Failure({
		code: "lease_lost",
		message: `The lease on ${lease.operation} belongs to another worker now.`,
		untouched: "Nothing was written.",
	});
}

/**
 * Takes an operation: a queued one that is at the head of its environment's line, or one whose owner's
 * lease is over. Returns undefined when there is nothing to take, for whatever reason: a message may come
 * twice, late, or for something that another worker has.
 */
export async function claimOperation(
	db: Db,
	request: {
		readonly id: OperationId;
		readonly owner: string;
		readonly maxAttempts: number;
	},
): Promise<Claimed | undefined> {
	try {
		const row = await db
			.updateTable("operations as o")
			.set({
				state: sql`case o.state when 'queued' then 'running' when 'cancelling' then 'cancelling' else 'recovering' end`,
				attempt: sql`o.attempt + 1`,
				lease_owner: request.owner,
				lease_expires_at: leaseEnd,
				fence: sql`nextval('fencing_tokens')`,
				writes: 0,
				not_before: null,
				started_at: sql`coalesce(o.started_at, now())`,
				deadline_at: sql`coalesce(o.deadline_at, ${deadline})`,
			})
			.where("o.id", "=", request.id)
			.where((eb) =>
				eb.or([
					eb("o.attempt", "<", request.maxAttempts),
					// It is not begun again: whoever takes it ends it.
					eb("o.state", "=", "cancelling"),
				]),
			)
			.where((eb) =>
				eb.or([
					eb.and([eb("o.state", "=", "queued"), isNext]),
					eb.and([
						eb("o.state", "in", activeStates),
						sql<boolean>`o.lease_expires_at < now()`,
						sql<boolean>`coalesce(o.not_before, now()) <= now()`,
						sql<boolean>`o.deadline_at > now()`,
					]),
				]),
			)
			.returningAll("o")
			.returning([
				sql<boolean>`o.started_at = now()`.as("is_first_claim"),
				sql<number>`extract(epoch from o.deadline_at - now())::float8 * 1000`.as(
					"left_ms",
				),
				targetDeadlines.as("deadlines"),
			])
			.executeTakeFirst();
		if (row?.fence == null) return undefined;
		return {
			operation: toOperation(row),
			lease: { operation: row.id, fence: row.fence },
			isFirstClaim: row.is_first_claim,
			deadlinesMs: decideDeadlines(row.kind, row.deadlines ?? {}),
			leftMs: row.left_ms,
			traceparent: row.traceparent,
		};
	} catch (error) {
		// Another operation of the environment is active: this one stays in line.
		if (violatedIndex(error) === "operations_one_active") return undefined;
		throw error;
	}
}

const owned = (db: Db, lease: Lease) =>
	db
		.updateTable("operations")
		.where("id", "=", lease.operation)
		.where("fence", "=", lease.fence)
		.where("state", "in", activeStates);

/** Whether somebody asked for the operation to be cancelled. False as well for who is not its owner any more. */
export async function isCancelRequested(
	db: Db,
	lease: Lease,
): Promise<boolean> {
	const row = await db
		.selectFrom("operations")
		.select("id")
		.where("id", "=", lease.operation)
		.where("fence", "=", lease.fence)
		.where("state", "=", "cancelling")
		.executeTakeFirst();
	return row !== undefined;
}

/**
 * Keeps the lease for another `leaseMs`. Throws `lease_lost`, also to an owner that is over the operation's deadline
 * and does not come to an end: it would keep the operation for ever.
 */
export async function renewLease(db: Db, lease: Lease): Promise<void> {
	const result = await owned(db, lease)
		.where(
			sql<boolean>`deadline_at > now() - make_interval(secs => ${overrunMs / 1000})`,
		)
		.set({ lease_expires_at: leaseEnd })
		.executeTakeFirst();
	if (result.numUpdatedRows === 0n) throw lostLease(lease);
}

/**
 * Locks the operation's row for the transaction, as its owner. Throws `lease_lost`. Whatever is written in
 * the same transaction is written by the owner or not at all.
 */
export async function holdLease(db: Db, lease: Lease): Promise<void> {
	const row = await db
		.selectFrom("operations")
		.select("id")
		.where("id", "=", lease.operation)
		.where("fence", "=", lease.fence)
		.where("state", "in", activeStates)
		.forUpdate()
		.executeTakeFirst();
	if (row === undefined) throw lostLease(lease);
}

/**
 * As `holdLease`, for the owner's transaction number `write`, counted from 1. Returns "written" when that number was
 * committed before: its answer was lost on the way, and whatever it wrote is there. The number is checked and counted
 * by one statement, so a repeat waits for the first try's end if that is still under way.
 */
export async function holdForWrite(
	db: Db,
	lease: Lease,
	write: number,
): Promise<"held" | "written"> {
	const result = await owned(db, lease)
		.where("writes", "=", write - 1)
		.set({ writes: write })
		.executeTakeFirst();
	if (result.numUpdatedRows > 0n) return "held";
	// The state is not asked for: the write may have been the one that ended the operation.
	const row = await db
		.selectFrom("operations")
		.select("writes")
		.where("id", "=", lease.operation)
		.where("fence", "=", lease.fence)
		.executeTakeFirst();
	if (row !== undefined && row.writes >= write) return "written";
	throw lostLease(lease);
}

/** Writes how far the operation is. Throws `lease_lost`. */
export async function recordProgress(
	db: Db,
	lease: Lease,
	progress: {
		readonly phase: PhaseName;
		readonly phases: readonly PhaseRecord[];
		readonly changes?: Changes;
	},
): Promise<void> {
	const result = await owned(db, lease)
		.set({
			phase: progress.phase,
			phases: JSON.stringify(progress.phases),
			...(isTouching(progress.phase) && { is_touched: true }),
			...(progress.changes && { changes: JSON.stringify(progress.changes) }),
		})
		.executeTakeFirst();
	if (result.numUpdatedRows === 0n) throw lostLease(lease);
}

/** Writes how far a restore is. "untouched": nothing of the backup is in the databases. Throws `lease_lost`. */
export async function recordRestore(
	db: Db,
	lease: Lease,
	restore: "untouched" | "begun" | "done",
): Promise<void> {
	const now = sql<Date>`now()`;
	const result = await owned(db, lease)
		.set(
			restore === "done"
				? { restored_at: now }
				: { restore_begun_at: restore === "begun" ? now : null },
		)
		.executeTakeFirst();
	if (result.numUpdatedRows === 0n) throw lostLease(lease);
}

/** Gives the lease back with the operation's end. Throws `lease_lost`. */
export async function closeOperation(
	db: Db,
	lease: Lease,
	outcome: {
		readonly state: FinalState;
		readonly error: FailureRecord | null;
		/** What is there at its end, as far as it was looked for. */
		readonly exists?: readonly Existing[] | null;
		readonly forced?: boolean;
	},
): Promise<void> {
	const result = await owned(db, lease)
		.set({
			state: outcome.state,
			error: toJsonb(outcome.error),
			...(outcome.exists && { existing: toJsonb(outcome.exists) }),
			...(outcome.forced && { is_forced: true }),
			finished_at: sql<Date>`now()`,
			lease_owner: null,
		})
		.executeTakeFirst();
	if (result.numUpdatedRows === 0n) throw lostLease(lease);
}

/**
 * Gives the lease back without an end: whoever claims it after `delayMs` goes on. The environment stays
 * taken meanwhile. Throws `lease_lost`.
 */
export async function releaseLease(
	db: Db,
	lease: Lease,
	options: {
		readonly delayMs: number;
		/** False when the attempt ended for the worker's reasons and not for its own. */
		readonly countsAsAttempt: boolean;
	},
): Promise<void> {
	const result = await owned(db, lease)
		.set({
			state: sql`case state when 'cancelling' then 'cancelling' else 'recovering' end`,
			lease_owner: null,
			lease_expires_at: sql<Date>`now()`,
			not_before: sql<Date>`now() + make_interval(secs => ${options.delayMs / 1000})`,
			...(!options.countsAsAttempt && { attempt: sql<number>`attempt - 1` }),
		})
		.executeTakeFirst();
	if (result.numUpdatedRows === 0n) throw lostLease(lease);
}
