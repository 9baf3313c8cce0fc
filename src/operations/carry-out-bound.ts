// Carries an order out in a transaction that holds its environment; if it is bound to a preview, only if nothing of that
// has moved.
import type { Environment } from "../domain/environment.ts";
import type { Operation } from "../domain/operation.ts";
import { type PreviewedOrder, readOrder } from "../domain/preview.ts";
import type { Actor } from "../domain/tenant.ts";
import { noteBound } from "../store/previews.ts";
import { requireSameProgram, requireUnmoved } from "./bound.ts";
import { carryOut } from "./carry-out.ts";
import { isUnneeded, type Unneeded, type VerbContext } from "./request.ts";

export interface PlacedOrder {
	readonly environment: Environment;
	readonly order: PreviewedOrder;
	/** Undefined: it is bound to nothing. */
	readonly previewId: string | undefined;
}

/** Within a transaction nobody is told: it may be taken back, and what was not committed cannot be taken. */
export const silentSender: VerbContext["sender"] = { enqueue: async () => {} };

/** Throws what the verb throws, and `conflict`, which says what has moved. */
export async function carryOutBound(
	inside: VerbContext,
	actor: Actor,
	{ environment, order, previewId }: PlacedOrder,
): Promise<Operation | Unneeded> {
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
