// The door of the verbs that can be previewed: an order is carried out, or, if it is bound to a preview, only if nothing
// of that has moved.
import type { Environment } from "../domain/environment.ts";
import type { Operation } from "../domain/operation.ts";
import { type PreviewedOrder, readOrder } from "../domain/preview.ts";
import type { Actor } from "../domain/tenant.ts";
import { transact } from "../store/db.ts";
import { lockEnvironment } from "../store/environments.ts";
import { noteBound } from "../store/previews.ts";
import { requireSameProgram, requireUnmoved } from "./bound.ts";
import { carryOut } from "./carry-out.ts";
import {
	isUnneeded,
	nudge,
	type Unneeded,
	type VerbContext,
} from "./request.ts";

export interface PlacedOrder {
	readonly environment: Environment;
	readonly order: PreviewedOrder;
	/** Undefined: it is bound to nothing. */
	readonly previewId: string | undefined;
}

/** Throws what the verb throws, and `conflict`, which says what has moved. */
export async function placeOrder(
	context: VerbContext,
	actor: Actor,
	placed: PlacedOrder,
): Promise<Operation | Unneeded> {
	const answer = await transact(context.db, (trx) =>
		placeLocked({ ...context, db: trx, sender: silentSender }, actor, placed),
	);
	if (!isUnneeded(answer)) nudge(context, answer);
	return answer;
}

/** Within a transaction nobody is told: it may be taken back, and what was not committed cannot be taken. */
export const silentSender: VerbContext["sender"] = { enqueue: async () => {} };

async function placeLocked(
	inside: VerbContext,
	actor: Actor,
	{ environment: { id }, order, previewId }: PlacedOrder,
): Promise<Operation | Unneeded> {
	const environment = await lockEnvironment(inside.db, id);
	if (previewId === undefined)
		return carryOut(inside, actor, { environment, order });
	const preview = await requireUnmoved(inside, environment, {
		...readOrder(order),
		previewId,
	});
	const answer = await carryOut(inside, actor, { environment, order });
	if (isUnneeded(answer)) return answer;
	await requireSameProgram(inside.db, preview, {
		...answer,
		desiredRevision: environment.desiredRevision,
	});
	return noteBound(inside.db, answer.id, preview.id);
}
