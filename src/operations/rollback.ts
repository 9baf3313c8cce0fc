// Orders that an environment go back to what it was: a new revision with an older one's content, and the operation that
// brings it about with the code of then, against the state of now.
import { type Environment, refusal } from "../domain/environment.ts";
import type { OperationId } from "../domain/ids.ts";
import type { Operation, OperationOptions } from "../domain/operation.ts";
import type { RollbackOrder } from "../domain/spec.ts";
import type { Actor, Orderer } from "../domain/tenant.ts";
import { Failure } from "../failure.ts";
import { type Db, transact } from "../store/db.ts";
import { lockEnvironment, updateEnvironment } from "../store/environments.ts";
import { supersedeQueued } from "../store/operations.ts";
import { recordRevision } from "./parameters.ts";
import { heedQuota, within } from "./quota.ts";
import {
	isUnneeded,
	nudge,
	reportSuperseded,
	request,
	type Unneeded,
	type VerbContext,
} from "./request.ts";
import { findRollbackData } from "./rollback-data.ts";
import { findRollbackGoal, type RollbackGoal } from "./rollback-goal.ts";
import { findNothing, openLastWish, type WishContext } from "./wish.ts";

/**
 * Waits its turn behind a running operation; what has not begun is superseded. Throws `conflict` when the state of the
 * environment or of the revision forbids it, and `invalid_request` when there is no such
 * revision; and `quota_exceeded` when that one takes more than its tenant has left.
 */
export async function rollbackEnvironment(
	context: VerbContext,
	actor: Actor,
	order: RollbackOrder & { readonly environment: Environment },
): Promise<Operation | Unneeded> {
	const answer = await transact(context.db, async (trx) => {
		const inside = { ...context, db: trx };
		const current = await lockEnvironment(trx, order.environment.id);
		const reason = refusal("rollback", current);
		if (reason !== undefined) throw refuse(reason);
		const goal = await findRollbackGoal(inside, current, order);
		const options = await decideOptions(trx, current, { ...order, ...goal });
		// With its data another time comes back, though the content be the same.
		if (order.data === "keep") {
			const before = await openLastWish(inside, current);
			const nothing = await findNothing(inside, current, { before, ...goal });
			if (nothing !== undefined) return nothing;
		}
		return heedQuota(trx, within(current, actor), async () => {
			const superseded = await supersedeQueued(trx, current.id, [
				"upgrade",
				"rollback",
			]);
			const ordered = await recordRollback(inside, current, {
				goal,
				actor,
				options,
			});
			await reportSuperseded(trx, superseded, ordered.id);
			return ordered;
		});
	});
	if (!isUnneeded(answer)) nudge(context, answer);
	return answer;
}

async function decideOptions(
	db: Db,
	environment: Environment,
	{
		data,
		backup,
		basedOn,
	}: Pick<RollbackOrder, "data" | "backup"> & Pick<RollbackGoal, "basedOn">,
): Promise<OperationOptions> {
	if (data === "keep") return { data, backup };
	const { id, takenAt } = await findRollbackData(db, environment, basedOn);
	return { data, backup, fromBackup: id, dataFrom: takenAt.toISOString() };
}

/** Writes the revision, the operation and the lifecycle of a rollback, in the transaction of who ordered it. */
export async function recordRollback(
	context: WishContext,
	environment: Environment,
	order: {
		readonly goal: RollbackGoal;
		readonly actor: Orderer;
		readonly options: OperationOptions;
		readonly id?: OperationId;
		readonly causedBy?: OperationId;
	},
): Promise<Operation> {
	const { goal, ...asked } = order;
	const { id, revision, desiredRevision } = environment;
	const number = desiredRevision + 1;
	await recordRevision(context, {
		environment: id,
		number,
		...goal.wish,
		digest: goal.digest,
		basedOn: goal.basedOn,
	});
	const operation = await request(context.db, {
		...asked,
		environment: id,
		kind: "rollback",
		revisionFrom: revision,
		revisionTo: number,
	});
	await updateEnvironment(context.db, id, {
		lifecycle: "rolling_back",
		desiredRevision: number,
	});
	return operation;
}

const refuse = (message: string): Failure =>
	new Failure({
		code: "conflict",
		message,
		untouched: "Nothing was ordered.",
		advice: "Wait for the end of what goes on, or order another environment.",
	});
