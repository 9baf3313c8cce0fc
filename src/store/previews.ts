// What orders would change, and what that was worked out from.
import { sql } from "kysely";
import type { EnvironmentId, OperationId, PreviewId } from "../domain/ids.ts";
import { finalStates, type Operation, turnKinds } from "../domain/operation.ts";
import type {
	Preview,
	PreviewBasis,
	PreviewedVerb,
	PreviewFacts,
	PreviewResult,
} from "../domain/preview.ts";
import { previewLastsMs } from "../domain/preview.ts";
import { type Db, toJsonb } from "./db.ts";
import type { Scope } from "./environments.ts";
import { toOperation } from "./operations.ts";

/** With what nobody is shown. */
export interface StoredPreview extends Preview {
	readonly orderDigest: Buffer;
	/** Sealed; null once the operation has ended. */
	readonly wish: Buffer | null;
	/** By the database's clock. */
	readonly isOver: boolean;
}

export async function createPreview(
	db: Db,
	preview: Omit<PreviewBasis, "stateVersion"> & {
		readonly id: PreviewId;
		readonly environment: EnvironmentId;
		readonly operation: OperationId;
		readonly verb: PreviewedVerb;
		readonly orderDigest: Buffer;
		readonly wish: Buffer;
		readonly facts: PreviewFacts;
	},
): Promise<void> {
	await db
		.insertInto("previews")
		.values({
			id: preview.id,
			environment_id: preview.environment,
			operation_id: preview.operation,
			verb: preview.verb,
			order_digest: preview.orderDigest,
			desired_revision: preview.desiredRevision,
			lifecycle: preview.lifecycle,
			blueprint_version: preview.blueprintVersion,
			program_digest: preview.programDigest,
			wish: preview.wish,
			facts: JSON.stringify(preview.facts),
		})
		.execute();
}

/** What lies outside the scope is not found, exactly like what does not exist. */
export async function findPreview(
	db: Db,
	id: string,
	scope: Scope,
): Promise<StoredPreview | undefined> {
	let query = db
		.selectFrom("previews as p")
		.innerJoin("environments as e", "e.id", "p.environment_id")
		.selectAll("p")
		.select(sql<boolean>`coalesce(p.expires_at < now(), false)`.as("is_over"))
		.where("p.id", "=", id as PreviewId);
	if (scope !== undefined) query = query.where("e.tenant_id", "=", scope);
	const row = await query.executeTakeFirst();
	return (
		row && {
			id: row.id,
			environment: row.environment_id,
			operation: row.operation_id,
			verb: row.verb,
			orderDigest: row.order_digest,
			desiredRevision: row.desired_revision,
			lifecycle: row.lifecycle,
			blueprintVersion: row.blueprint_version,
			programDigest: row.program_digest,
			stateVersion: row.state_version,
			wish: row.wish,
			facts: row.facts,
			result: row.result,
			createdAt: row.created_at,
			expiresAt: row.expires_at,
			isOver: row.is_over,
		}
	);
}

/** Notes which of the engine's states the preview is worked out from. */
export async function recordStateVersion(
	db: Db,
	id: PreviewId,
	version: number | null,
): Promise<void> {
	await db
		.updateTable("previews")
		.set({ state_version: version })
		.where("id", "=", id)
		.execute();
}

/** Writes the result, from when on the preview lasts. What would be wished for is not needed any more. */
export async function completePreview(
	db: Db,
	id: PreviewId,
	result: PreviewResult,
): Promise<void> {
	await db
		.updateTable("previews")
		.set({
			result: toJsonb(result),
			wish: null,
			expires_at: sql<Date>`now() + make_interval(secs => ${previewLastsMs / 1000})`,
		})
		.where("id", "=", id)
		.execute();
}

/** Forgets what was wished for by previews that have ended without a result, whoever ended them. */
export async function forgetWishes(db: Db): Promise<void> {
	await sql`
		update previews p set wish = null where p.wish is not null and exists (
			select from operations o where o.id = p.operation_id and o.finished_at is not null)`.execute(
		db,
	);
}

/** Writes into the row of an operation to which preview its order was bound. */
export async function noteBound(
	db: Db,
	operation: OperationId,
	preview: PreviewId,
): Promise<Operation> {
	const row = await db
		.updateTable("operations")
		.set({
			options: sql<string>`options || ${JSON.stringify({ preview })}::jsonb`,
		})
		.where("id", "=", operation)
		.returningAll()
		.executeTakeFirstOrThrow();
	return toOperation(row);
}

export interface StateSerial {
	/** The number of the newest finished state; null where there is none. */
	readonly version: number | null;
	/** An update of the stack goes on, a worker's or an operator's. */
	readonly isMoving: boolean;
}

/** Where the engine's state of an environment is. */
export async function findStateSerial(
	db: Db,
	environment: EnvironmentId,
): Promise<StateSerial> {
	const { rows } = await sql<StateSerial>`
		select (select max(c.version) from checkpoints c where c.stack_id = s.id) as version,
			exists (select from updates u where u.stack_id = s.id and u.state = 'running' and not u.is_dry_run) as "isMoving"
		from stacks s where s.environment_id = ${environment}`.execute(db);
	return rows[0] ?? { version: null, isMoving: false };
}

/** An operation of the environment that waits its turn or has it: it will have moved the state before another begins. */
export async function findMoving(
	db: Db,
	environment: EnvironmentId,
): Promise<OperationId | undefined> {
	const row = await db
		.selectFrom("operations")
		.select("id")
		.where("environment_id", "=", environment)
		.where("kind", "in", turnKinds)
		.where("state", "not in", [...finalStates, "awaiting_approval"])
		.orderBy("sequence")
		.executeTakeFirst();
	return row?.id;
}
