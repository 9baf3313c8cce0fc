import { sql } from "kysely";
import type { EnvironmentId, OperationId, TenantId } from "../domain/ids.ts";
import {
	activeStates,
	finalStates,
	isFinal,
	noChanges,
	type Operation,
	type OperationKind,
	type OperationOptions,
	type OperationState,
	operationKinds,
	turnKinds,
} from "../domain/operation.ts";
import { findTraceparent } from "../domain/trace.ts";
import type { Db } from "./db.ts";
import type { Scope } from "./environments.ts";
import { type PageRequest, readPage } from "./page.ts";

const selectOperations = (db: Db) => db.selectFrom("operations").selectAll();

export type OperationRow = Awaited<
	ReturnType<ReturnType<typeof selectOperations>["executeTakeFirstOrThrow"]>
>;

export const toOperation = (row: OperationRow): Operation => ({
	id: row.id,
	environment: row.environment_id,
	kind: row.kind,
	state: row.state,
	phase: row.phase,
	attempt: row.attempt,
	revisionFrom: row.revision_from,
	revisionTo: row.revision_to,
	phases: row.phases,
	changes: row.changes,
	requestedBy: row.requested_by,
	createdAt: row.created_at,
	startedAt: row.started_at,
	finishedAt: row.finished_at,
	deadlineAt: row.deadline_at,
	error: row.error,
	retryOf: row.retry_of,
	cancellation:
		row.cancel_requested_by === null || row.cancel_requested_at === null
			? null
			: {
					requestedBy: row.cancel_requested_by,
					requestedAt: row.cancel_requested_at,
					forced: row.is_forced,
				},
	exists: row.existing,
	keepsBackups: row.keeps_backups,
	options: row.options,
	causedBy: row.caused_by,
	needsApproval: row.needs_approval,
	approvedBy: row.approved_by,
	isTouched: row.is_touched,
	restore: decideRestore(row),
});

const decideRestore = (
	row: Pick<OperationRow, "restore_begun_at" | "restored_at">,
): Operation["restore"] =>
	row.restored_at !== null
		? "done"
		: row.restore_begun_at !== null
			? "begun"
			: null;

interface NewOperation {
	readonly id: OperationId;
	readonly environment: EnvironmentId;
	readonly kind: OperationKind;
	readonly revisionFrom: number | null;
	readonly revisionTo: number | null;
	readonly requestedBy: string;
	readonly retryOf?: OperationId | undefined;
	readonly keepsBackups?: boolean | undefined;
	readonly options?: OperationOptions | undefined;
	readonly causedBy?: OperationId | undefined;
	/** Undefined: it is queued. */
	readonly state?: "queued" | "awaiting_approval" | undefined;
}

/** The one that was approved in this transaction, or else a new one. */
export async function createOperation(
	db: Db,
	operation: NewOperation,
): Promise<Operation> {
	const approved = await takeApproved(db, operation);
	if (approved !== undefined) return approved;
	const row = await db
		.insertInto("operations")
		.values({
			id: operation.id,
			environment_id: operation.environment,
			tenant_id: sql<TenantId>`(select tenant_id from environments where id = ${operation.environment})`,
			kind: operation.kind,
			state: operation.state ?? "queued",
			needs_approval: operation.state === "awaiting_approval",
			phase: null,
			revision_from: operation.revisionFrom,
			revision_to: operation.revisionTo,
			changes: JSON.stringify(noChanges),
			requested_by: operation.requestedBy,
			retry_of: operation.retryOf ?? null,
			keeps_backups: operation.keepsBackups ?? false,
			options: JSON.stringify(operation.options ?? {}),
			caused_by: operation.causedBy ?? null,
			traceparent: findTraceparent(),
		})
		.returningAll()
		.executeTakeFirstOrThrow();
	return toOperation(row);
}

/**
 * The operation that awaited an approval and got it in this very transaction, with what its verb orders now: it is that
 * one, and no new one, that was promised. Its place in the line is the newest. Outside of such a transaction there is none.
 */
async function takeApproved(
	db: Db,
	operation: NewOperation,
): Promise<Operation | undefined> {
	const row = await db
		.updateTable("operations")
		.set({
			state: "queued",
			revision_from: operation.revisionFrom,
			revision_to: operation.revisionTo,
			keeps_backups: operation.keepsBackups ?? false,
			options: JSON.stringify(operation.options ?? {}),
			sequence: sql<number>`default`,
			enqueued_at: sql<Date>`now()`,
		})
		.where("environment_id", "=", operation.environment)
		.where("kind", "=", operation.kind)
		.where("state", "=", "awaiting_approval")
		.where("approved_by", "is not", null)
		.returningAll()
		.executeTakeFirst();
	return row && toOperation(row);
}

/** What lies outside the scope is not found, exactly like what does not exist. */
export async function findOperation(
	db: Db,
	id: string,
	scope: Scope,
): Promise<Operation | undefined> {
	let query = selectOperations(db).where("id", "=", id as OperationId);
	if (scope !== undefined) {
		const visible = db
			.selectFrom("environments")
			.select("id")
			.where("tenant_id", "=", scope);
		query = query.where("environment_id", "in", visible);
	}
	const row = await query.executeTakeFirst();
	return row && toOperation(row);
}

/** Newest first. */
export async function listOperations(
	db: Db,
	environment: EnvironmentId,
	page: PageRequest,
): Promise<Operation[]> {
	const query = selectOperations(db).where("environment_id", "=", environment);
	return (await readPage(query, page).execute()).map(toOperation);
}

export interface OperationFilter {
	readonly state?: readonly OperationState[] | undefined;
	readonly kind?: OperationKind | undefined;
	readonly environment?: EnvironmentId | undefined;
	/** Of names of environments, in which `*` stands for any text. */
	readonly pattern: string | null;
}

/** Those of all environments within the scope, newest first. */
export async function listAllOperations(
	db: Db,
	scope: Scope,
	request: PageRequest & { readonly filter: OperationFilter },
): Promise<Operation[]> {
	const { state, kind, environment, pattern } = request.filter;
	let query = selectOperations(db);
	if (scope !== undefined) query = query.where("tenant_id", "=", scope);
	if (environment !== undefined)
		query = query.where("environment_id", "=", environment);
	if (kind !== undefined) query = query.where("kind", "=", kind);
	if (state !== undefined && state.length > 0)
		query = query.where("state", "=", sql<OperationState>`any(${state})`);
	// Word for word the condition of an index.
	if (state?.length && !state.some(isFinal))
		query = query.where(sql<boolean>`finished_at is null`);
	if (pattern !== null) {
		query = query.where(
			sql<boolean>`exists (select from environments e where e.id = environment_id and e.name like ${pattern.replaceAll("*", "%")})`,
		);
	}
	return (await readPage(query, request).execute()).map(toOperation);
}

/** Of each environment the operation that moves it, or else the first one that waits to. */
export async function listCurrentOperations(
	db: Db,
	environments: readonly EnvironmentId[],
): Promise<Map<EnvironmentId, OperationId>> {
	if (environments.length === 0) return new Map();
	const rows = await db
		.selectFrom("operations")
		.distinctOn("environment_id")
		.select(["environment_id", "id"])
		.where("environment_id", "=", sql<EnvironmentId>`any(${environments})`)
		.where("finished_at", "is", null)
		.where("state", "<>", "awaiting_approval")
		.where("kind", "in", turnKinds)
		.orderBy("environment_id")
		.orderBy(sql`state = 'queued'`)
		.orderBy("sequence")
		.execute();
	return new Map(rows.map((row) => [row.environment_id, row.id]));
}

/** Ends operations of this environment, and of these kinds, that nobody has begun, in favour of a newer one. Returns which. */
export async function supersedeQueued(
	db: Db,
	environment: EnvironmentId,
	kinds: readonly OperationKind[] = operationKinds,
): Promise<Operation[]> {
	const rows = await db
		.updateTable("operations")
		.set({ state: "superseded", finished_at: sql<Date>`now()` })
		.where("environment_id", "=", environment)
		.where("state", "=", "queued")
		.where("kind", "in", kinds)
		.returningAll()
		.execute();
	return rows.map(toOperation);
}

/** The newest operation of this kind that waits for its turn or runs. What is being cancelled is not on its way, and neither is what nobody has approved. */
export async function findOpenOperation(
	db: Db,
	environment: EnvironmentId,
	kind: OperationKind,
): Promise<Operation | undefined> {
	const row = await selectOperations(db)
		.where("environment_id", "=", environment)
		.where("kind", "=", kind)
		.where("finished_at", "is", null)
		.where("state", "not in", ["cancelling", "awaiting_approval"])
		.orderBy("sequence", "desc")
		.executeTakeFirst();
	return row && toOperation(row);
}

/** The oldest operation of an environment, of these kinds, that waits for its turn. */
export async function findNextQueued(
	db: Db,
	environment: EnvironmentId,
	kinds: readonly OperationKind[] = turnKinds,
): Promise<OperationId | undefined> {
	const row = await db
		.selectFrom("operations")
		.select("id")
		.where("environment_id", "=", environment)
		.where("state", "=", "queued")
		.where("kind", "in", kinds)
		.orderBy("sequence")
		.executeTakeFirst();
	return row?.id;
}

const open = (db: Db) =>
	db.selectFrom("operations as o").where("o.finished_at", "is", null);

/** Nobody of its environment stands before the queued operation `o`. What takes no turn, or awaits an approval, stands in nobody's way. */
export const isNext = sql<boolean>`(o.kind <> all(${turnKinds}) or not exists (
	select from operations p where p.environment_id = o.environment_id and p.sequence < o.sequence
	and p.finished_at is null and p.state <> 'awaiting_approval' and p.kind = any(${turnKinds})))`;

/** An operation that should be worked on and is not, with how often its message was sent again, this time included. */
export interface Forgotten {
	readonly id: OperationId;
	readonly sends: number;
}

/**
 * Marks as sent, and returns, what a lost message may have left behind: queued ones at the head of their
 * environment's line that were last sent more than `afterMs` ago, and those whose lease is over and whose
 * pause is too. At most `limit` at once. One that waits for long, because all workers have enough to do, is sent ever
 * less often, up to `atLeastEveryMs`: the queue keeps each of these messages.
 */
export async function takeForgotten(
	db: Db,
	request: {
		readonly afterMs: number;
		readonly atLeastEveryMs: number;
		readonly limit: number;
	},
): Promise<Forgotten[]> {
	const { afterMs, atLeastEveryMs, limit } = request;
	const waitingSince = sql`greatest(o.created_at, o.lease_expires_at, o.not_before)`;
	const lastSent = sql<boolean>`o.enqueued_at < now() - greatest(
		make_interval(secs => ${afterMs / 1000}),
		least(make_interval(secs => ${atLeastEveryMs / 1000}), (now() - ${waitingSince}) / 2))`;
	const candidates = open(db)
		.select("o.id")
		.where((eb) =>
			eb.or([
				eb.and([eb("o.state", "=", "queued"), lastSent, isNext]),
				eb.and([
					eb("o.state", "in", activeStates),
					sql<boolean>`o.lease_expires_at < now()`,
					sql<boolean>`coalesce(o.not_before, now()) <= now()`,
					// Sent once per expiry, then again only after `afterMs`.
					eb.or([
						sql<boolean>`o.enqueued_at < greatest(o.lease_expires_at, o.not_before)`,
						lastSent,
					]),
				]),
			]),
		)
		.orderBy("o.sequence")
		.limit(limit)
		.forUpdate()
		.skipLocked();
	return await db
		.updateTable("operations")
		.set({ enqueued_at: sql<Date>`now()`, sends: sql<number>`sends + 1` })
		.where("id", "in", candidates)
		.returning(["id", "sends"])
		.execute();
}

/**
 * Operations that nobody will end any more: begun `maxAttempts` times and abandoned, over their deadline
 * without an owner, or queued for longer than `queuedForMs`. Locked for the transaction that ends them.
 */
export async function listOverdue(
	db: Db,
	limits: { readonly maxAttempts: number; readonly queuedForMs: number },
): Promise<Operation[]> {
	const rows = await open(db)
		.selectAll("o")
		.where((eb) =>
			eb.or([
				eb.and([
					eb("o.state", "in", activeStates),
					sql<boolean>`o.lease_expires_at < now()`,
					eb.or([
						// One that is being cancelled is not begun again, only ended: its time bounds that.
						eb.and([
							eb("o.state", "<>", "cancelling"),
							eb("o.attempt", ">=", limits.maxAttempts),
						]),
						sql<boolean>`o.deadline_at < now()`,
					]),
				]),
				eb.and([
					eb("o.state", "in", ["queued", "awaiting_approval"]),
					sql<boolean>`coalesce(o.approved_at, o.created_at) < now() - make_interval(secs => ${limits.queuedForMs / 1000})`,
				]),
			]),
		)
		.orderBy("o.sequence")
		.limit(50)
		.forUpdate()
		.skipLocked()
		.execute();
	return rows.map(toOperation);
}

/** Ends an operation that has no owner. Returns whether it was still open. */
export async function closeAbandoned(
	db: Db,
	id: OperationId,
	outcome: {
		readonly state: OperationState;
		readonly error: Operation["error"];
		readonly phases: Operation["phases"];
		readonly forced?: boolean;
	},
): Promise<boolean> {
	const result = await db
		.updateTable("operations")
		.set({
			state: outcome.state,
			error: JSON.stringify(outcome.error),
			phases: JSON.stringify(outcome.phases),
			...(outcome.forced && { is_forced: true }),
			finished_at: sql<Date>`now()`,
			lease_owner: null,
		})
		.where("id", "=", id)
		.where("state", "not in", finalStates)
		.executeTakeFirst();
	return result.numUpdatedRows > 0n;
}

/** Notes that the message was put on the queue just now. */
export async function markEnqueued(db: Db, id: OperationId): Promise<void> {
	await db
		.updateTable("operations")
		.set({ enqueued_at: sql<Date>`now()` })
		.where("id", "=", id)
		.execute();
}

/** The database's time. */
export async function readClock(db: Db): Promise<Date> {
	const { rows } = await sql<{ now: Date }>`select now() as now`.execute(db);
	const [row] = rows;
	if (row === undefined) throw new Error("a select without a row");
	return row.now;
}

/** Environments that an operation, or an operator with the plain CLI, has moved since a time of the database's, or moves now. */
export async function listMovedSince(
	db: Db,
	since: Date,
): Promise<Set<EnvironmentId>> {
	const { rows } = await sql<{ environment: EnvironmentId }>`
		select environment_id as environment from operations
		where (finished_at is null and state <> 'awaiting_approval' or finished_at >= ${since}) and kind = any(${turnKinds})
		union
		select s.environment_id from stacks s join updates u on u.stack_id = s.id
		where s.environment_id is not null and not u.is_dry_run
			and (u.state = 'running' or u.finished_at >= ${since})`.execute(db);
	return new Set(rows.map(({ environment }) => environment));
}
