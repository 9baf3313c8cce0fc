// Orders that wait until another actor has looked at them, and which do.
import { sql } from "kysely";
import type { ApprovalRule } from "../domain/approval.ts";
import type { CallerId, EnvironmentId, OperationId } from "../domain/ids.ts";
import type { Db } from "./db.ts";

/** The rules of the environment's target and of its tenant. */
export async function listApprovalRules(
	db: Db,
	environment: EnvironmentId,
): Promise<readonly ApprovalRule[]> {
	const { rows } = await sql<{ rules: ApprovalRule[] }>`
		select coalesce(g.settings -> 'approvals', '[]') || t.approvals as rules
		from environments e join targets g on g.id = e.target_id join tenants t on t.id = e.tenant_id
		where e.id = ${environment}`.execute(db);
	return rows[0]?.rules ?? [];
}

export interface AwaitingOrder {
	/** By whose token it was ordered. */
	readonly token: CallerId;
	readonly sealed: Buffer;
}

export async function keepOrder(
	db: Db,
	operation: OperationId,
	{ token, sealed }: AwaitingOrder,
): Promise<void> {
	await db
		.insertInto("approvals")
		.values({ operation_id: operation, token_id: token, sealed })
		.execute();
}

/** Undefined once it was approved or has ended otherwise. */
export async function findOrder(
	db: Db,
	operation: OperationId,
): Promise<AwaitingOrder | undefined> {
	const row = await db
		.selectFrom("approvals")
		.selectAll()
		.where("operation_id", "=", operation)
		.executeTakeFirst();
	return row && { token: row.token_id, sealed: row.sealed };
}

export async function forgetOrder(
	db: Db,
	operation: OperationId,
): Promise<void> {
	await db
		.deleteFrom("approvals")
		.where("operation_id", "=", operation)
		.execute();
}

/** Notes who approved it, in the transaction in which its verb then lets it into the line. */
export async function noteApproval(
	db: Db,
	operation: OperationId,
	by: string,
): Promise<void> {
	await db
		.updateTable("operations")
		.set({ approved_by: by, approved_at: sql<Date>`now()` })
		.where("id", "=", operation)
		.execute();
}
