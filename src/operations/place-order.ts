// The door of the verbs that can be previewed: an order is carried out, or it waits until another actor approves it.
import { mustBeApproved } from "../domain/approval.ts";
import { createOperationId } from "../domain/ids.ts";
import type { Operation } from "../domain/operation.ts";
import { readOrder } from "../domain/preview.ts";
import type { Actor } from "../domain/tenant.ts";
import { listApprovalRules } from "../store/approvals.ts";
import { rehearse, transact } from "../store/db.ts";
import { lockEnvironment } from "../store/environments.ts";
import { appendEvents } from "../store/events.ts";
import { createOperation } from "../store/operations.ts";
import { loadRevision } from "../store/revisions.ts";
import { keepForApproval } from "./approval.ts";
import {
	carryOutBound,
	type PlacedOrder,
	silentSender,
} from "./carry-out-bound.ts";
import { heedPace } from "./quota.ts";
import {
	isUnneeded,
	nudge,
	type Unneeded,
	type VerbContext,
} from "./request.ts";

/** Throws what the verb throws, and `conflict`, which says what has moved since the preview. */
export async function placeOrder(
	context: VerbContext,
	actor: Actor,
	placed: PlacedOrder,
): Promise<Operation | Unneeded> {
	const answer = await transact(context.db, async (trx) => {
		const inside = { ...context, db: trx, sender: silentSender };
		const environment = await lockEnvironment(trx, placed.environment.id);
		const order = { ...placed, environment };
		return (await mustWait(inside, actor, order))
			? awaitApproval(inside, actor, order)
			: carryOutBound(inside, actor, order);
	});
	const isQueued = !isUnneeded(answer) && answer.state === "queued";
	if (isQueued) nudge(context, answer);
	return answer;
}

/** The size of what is there counts, and that of what would be. */
async function mustWait(
	inside: VerbContext,
	actor: Actor,
	placed: PlacedOrder,
): Promise<boolean> {
	const { id, desiredRevision } = placed.environment;
	const rules = await listApprovalRules(inside.db, id);
	const { verb } = readOrder(placed.order);
	if (!rules.some(({ verbs }) => verbs.includes(verb))) return false;
	const is = await loadRevision(inside.db, id, desiredRevision);
	const sizes = await rehearse(inside.db, async () => {
		const answer = await carryOutBound(inside, actor, placed);
		if (isUnneeded(answer)) return [];
		const number = answer.revisionTo ?? desiredRevision;
		return [is.size, (await loadRevision(inside.db, id, number)).size];
	});
	return mustBeApproved(rules, { verb, sizes });
}

/** Nothing but the operation is written: what it moves is decided when it is approved. */
async function awaitApproval(
	inside: VerbContext,
	actor: Actor,
	placed: PlacedOrder,
): Promise<Operation> {
	const { environment, order } = placed;
	const { db } = inside;
	const wanted = await rehearse(db, async () => {
		const answer = await carryOutBound(inside, actor, placed);
		if (isUnneeded(answer)) throw new Error(answer.nothingToDo);
		return answer;
	});
	const { kind, keepsBackups, options } = wanted;
	const operation = await createOperation(db, {
		id: createOperationId(),
		environment: environment.id,
		kind,
		state: "awaiting_approval",
		revisionFrom: environment.revision,
		revisionTo: null,
		requestedBy: actor.name,
		keepsBackups,
		options,
	});
	await heedPace(db, { environment: environment.id, kind, orderer: actor });
	await keepForApproval(inside, operation, { token: actor.token, order });
	await appendEvents(
		db,
		{ environment: environment.id, operation: operation.id },
		[
			{
				type: "operation.awaiting_approval",
				data: { kind, by: actor.name },
			},
		],
	);
	return operation;
}
