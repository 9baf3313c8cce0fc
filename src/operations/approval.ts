// Approves or rejects what another actor has ordered. Approved, the very operation that was answered with stands in line: its
// verb is asked now, so what it refuses now it refuses, and a preview that it is bound to must still hold.
import type { Operation } from "../domain/operation.ts";
import { type PreviewedOrder, previewedOrder } from "../domain/preview.ts";
import type { Actor } from "../domain/tenant.ts";
import { Failure } from "../failure.ts";
import { open, type SealKey, seal } from "../seal.ts";
import {
	type AwaitingOrder,
	findOrder,
	forgetOrder,
	keepOrder,
	noteApproval,
} from "../store/approvals.ts";
import { type Db, transact } from "../store/db.ts";
import { lockEnvironment } from "../store/environments.ts";
import { appendEvents } from "../store/events.ts";
import { findOperation } from "../store/operations.ts";
import { cancelQueued } from "../store/wishes.ts";
import { carryOutBound, silentSender } from "./carry-out-bound.ts";
import { isUnneeded, nudge, type VerbContext } from "./request.ts";

const placeOf = (operation: string): string => `approvals/${operation}`;

/** Keeps an order until it is approved, in the transaction that orders it. */
export async function keepForApproval(
	{ db, sealKey }: { readonly db: Db; readonly sealKey: SealKey },
	{ id }: Pick<Operation, "id">,
	{ token, order }: Pick<AwaitingOrder, "token"> & { order: PreviewedOrder },
): Promise<void> {
	const sealed = seal(sealKey, placeOf(id), JSON.stringify(order));
	await keepOrder(db, id, { token, sealed });
}

/**
 * Throws `forbidden` for who ordered it, and `conflict` when it does not await an approval, when its verb refuses it by
 * now, or when its preview does not hold any more. It goes on waiting then.
 */
export async function approveOperation(
	context: VerbContext,
	actor: Actor,
	operation: Operation,
): Promise<Operation> {
	const approved = await transact(context.db, async (trx) => {
		const inside = { ...context, db: trx, sender: silentSender };
		const environment = await lockEnvironment(trx, operation.environment);
		const awaiting = await loadAwaiting(trx, actor, operation);
		const { id } = operation;
		const text = open(context.sealKey, placeOf(id), awaiting.sealed);
		await noteApproval(trx, id, actor.name);
		await appendEvents(trx, { environment: environment.id, operation: id }, [
			{ type: "operation.approved", data: { by: actor.name } },
		]);
		const answer = await carryOutBound(
			inside,
			{ ...actor, name: operation.requestedBy },
			{
				environment,
				order: previewedOrder.parse(JSON.parse(text)),
				previewId: operation.options.preview,
			},
		);
		if (isUnneeded(answer) || answer.id !== id)
			throw refuse(
				isUnneeded(answer)
					? answer.nothingToDo
					: `The operation ${answer.id} is on its way with the same already.`,
				"Reject or cancel it.",
			);
		await forgetOrder(trx, id);
		return answer;
	});
	nudge(context, approved);
	return approved;
}

/** Throws `forbidden` for who ordered it, and `conflict` when it does not await an approval. */
export async function rejectOperation(
	{ db }: Pick<VerbContext, "db">,
	actor: Actor,
	operation: Operation,
): Promise<Operation> {
	const { id, environment, kind } = operation;
	return transact(db, async (trx) => {
		await lockEnvironment(trx, environment);
		await loadAwaiting(trx, actor, operation);
		const ended = await cancelQueued(trx, id, actor.name);
		if (ended === undefined) throw refuseLate(operation);
		await forgetOrder(trx, id);
		const by = actor.name;
		await appendEvents(trx, { environment, operation: id }, [
			{ type: "operation.rejected", data: { by } },
			{
				type: "operation.cancelled",
				data: { kind, by, forced: false, exists: [] },
			},
		]);
		return ended;
	});
}

/** What the transaction, which holds the environment, may decide about. */
async function loadAwaiting(
	trx: Db,
	actor: Actor,
	{ id }: Operation,
): Promise<AwaitingOrder> {
	const current = await findOperation(trx, id, undefined);
	const awaiting = await findOrder(trx, id);
	if (current?.state !== "awaiting_approval" || awaiting === undefined)
		throw refuseLate({ id, state: current?.state ?? "cancelled" });
	// Another token of the same name is hardly another actor.
	if (awaiting.token === actor.token || current.requestedBy === actor.name) {
		throw new Failure({
			code: "forbidden",
			message: `The operation ${id} was ordered by you (${current.requestedBy}): another actor approves or rejects it.`,
			untouched: "It still awaits its approval.",
			advice: "Ask somebody else, or cancel it.",
		});
	}
	return awaiting;
}

const refuseLate = ({ id, state }: Pick<Operation, "id" | "state">): Failure =>
	refuse(
		`The operation ${id} does not await an approval: it is ${state}.`,
		"Look at the operation.",
	);

const refuse = (message: string, advice: string): Failure =>
	new Failure({
		code: "conflict",
		message,
		untouched: "Nothing was changed.",
		advice,
	});
