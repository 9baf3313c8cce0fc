// Orders a preview of another order: what it would change, worked out beside whatever goes on, and nothing else. What it
// would wish for is worked out by the verb's own code, so that the two cannot drift apart.
import { type Environment, refusal } from "../domain/environment.ts";
import { createPreviewId } from "../domain/ids.ts";
import type { Operation } from "../domain/operation.ts";
import {
	type PreviewedOrder,
	type PreviewFacts,
	readOrder,
} from "../domain/preview.ts";
import type { Power } from "../domain/spec.ts";
import type { Actor } from "../domain/tenant.ts";
import { Failure } from "../failure.ts";
import { open, type SealKey, seal } from "../seal.ts";
import { lockEnvironment } from "../store/environments.ts";
import {
	createPreview,
	findPreview,
	type StoredPreview,
} from "../store/previews.ts";
import { loadRevision } from "../store/revisions.ts";
import { digestOrder } from "./bound.ts";
import { refuseDestroy } from "./destroy.ts";
import { nudge, request, type VerbContext } from "./request.ts";
import { openWish, planUpgrade, type Wish } from "./upgrade.ts";

/** What a verb would have the engine carry out. Holds secrets. */
export interface PlannedOrder {
	/** The number that the revision would have. */
	readonly number: number;
	readonly wish: Wish;
	readonly power: Power;
	readonly keepsBackups: boolean;
	readonly facts: PreviewFacts;
}

/** Runs beside a running operation and takes no turn. Throws what the previewed verb would throw. */
export async function previewOrder(
	context: VerbContext,
	actor: Actor,
	{
		environment,
		order,
	}: { readonly environment: Environment; readonly order: PreviewedOrder },
): Promise<Operation> {
	const operation = await context.db.transaction().execute(async (trx) => {
		const inside = { ...context, db: trx };
		const current = await lockEnvironment(trx, environment.id);
		const reason = refusal("preview", current);
		if (reason !== undefined) {
			throw new Failure({
				code: "conflict",
				message: reason,
				untouched: "Nothing was ordered.",
			});
		}
		const planned = await planOrder(inside, current, order);
		const id = createPreviewId();
		const ordered = await request(trx, {
			environment: current.id,
			kind: "preview",
			revisionFrom: current.revision,
			revisionTo: null,
			actor,
			keepsBackups: planned.keepsBackups,
			options: { preview: id },
		});
		const { verb, body } = readOrder(order);
		await createPreview(trx, {
			id,
			environment: current.id,
			operation: ordered.id,
			verb,
			orderDigest: digestOrder(context.sealKey, verb, body),
			desiredRevision: current.desiredRevision,
			lifecycle: current.lifecycle,
			blueprintVersion: planned.wish.blueprintVersion,
			wish: seal(context.sealKey, placeOf(id), JSON.stringify(planned)),
			facts: planned.facts,
		});
		return ordered;
	});
	nudge(context, operation);
	return operation;
}

async function planOrder(
	inside: VerbContext,
	current: Environment,
	order: PreviewedOrder,
): Promise<PlannedOrder> {
	if (order.upgrade !== undefined) {
		return {
			number: current.desiredRevision + 1,
			wish: await planUpgrade(inside, current, order.upgrade),
			power: "on",
			keepsBackups: false,
			facts: {},
		};
	}
	refuseDestroy(current);
	const { id, desiredRevision } = current;
	const newest = await loadRevision(inside.db, id, desiredRevision);
	return {
		number: desiredRevision,
		wish: await openWish(inside, newest),
		power: newest.power,
		keepsBackups: order.destroy?.keepBackups ?? false,
		facts: {},
	};
}

const placeOf = (id: string): string => `previews/${id}`;

/** The preview that an operation works out, with what it would wish for. Throws `internal` when it has ended before. */
export async function loadPlanned(
	{
		db,
		sealKey,
	}: { readonly db: VerbContext["db"]; readonly sealKey: SealKey },
	{ id, options }: Pick<Operation, "id" | "options">,
): Promise<{
	readonly preview: StoredPreview;
	readonly planned: PlannedOrder;
}> {
	const preview = await findPreview(db, options.preview ?? "", undefined);
	if (preview === undefined || preview.wish === null) {
		throw new Failure({
			code: "internal",
			message: `The operation ${id} has no preview to work out.`,
			untouched: "Nothing was changed.",
		});
	}
	const text = open(sealKey, placeOf(preview.id), preview.wish);
	return { preview, planned: JSON.parse(text) as PlannedOrder };
}
