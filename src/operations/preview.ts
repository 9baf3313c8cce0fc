// Orders a preview of another order: what it would change, worked out beside whatever goes on, and nothing else. What it
// would wish for is found out by the verb itself, in a rehearsal that is taken back: the two cannot drift apart.
import { type Environment, refusal } from "../domain/environment.ts";
import { createPreviewId } from "../domain/ids.ts";
import type { Operation } from "../domain/operation.ts";
import type { Parameters } from "../domain/parameters.ts";
import {
	type PreviewedOrder,
	type PreviewFacts,
	readOrder,
} from "../domain/preview.ts";
import type { Actor } from "../domain/tenant.ts";
import { Failure } from "../failure.ts";
import { open, type SealKey, seal } from "../seal.ts";
import { type Db, rehearse, transact } from "../store/db.ts";
import { lockEnvironment } from "../store/environments.ts";
import {
	createPreview,
	findPreview,
	type StoredPreview,
} from "../store/previews.ts";
import { loadRevision, type StoredRevision } from "../store/revisions.ts";
import { digestOrder } from "./bound.ts";
import { carryOut } from "./carry-out.ts";
import { silentSender } from "./carry-out-bound.ts";
import { loadParameters } from "./parameters.ts";
import {
	isUnneeded,
	nudge,
	request,
	type Unneeded,
	type VerbContext,
} from "./request.ts";

/** The revision that would be made. Holds secrets. */
export interface PlannedRevision extends StoredRevision {
	readonly opened: Parameters;
}

interface Rehearsal {
	readonly planned: PlannedRevision;
	readonly ordered: Operation;
}

interface Wanted {
	readonly environment: Environment;
	readonly order: PreviewedOrder;
}

/** Runs beside a running operation and takes no turn. Throws what the previewed verb would throw. */
export async function previewOrder(
	context: VerbContext,
	actor: Actor,
	wanted: Wanted,
): Promise<Operation | Unneeded> {
	const answer = await transact(context.db, (trx) =>
		previewLocked({ ...context, db: trx, sender: silentSender }, actor, wanted),
	);
	if (!isUnneeded(answer)) nudge(context, answer);
	return answer;
}

async function previewLocked(
	inside: VerbContext,
	actor: Actor,
	{ environment: { id: place }, order }: Wanted,
): Promise<Operation | Unneeded> {
	const environment = await lockEnvironment(inside.db, place);
	const reason = refusal("preview", environment);
	if (reason !== undefined) throw refuse(reason);
	const rehearsal = await rehearse(inside.db, async () => {
		const ordered = await carryOut(inside, actor, { environment, order });
		if (isUnneeded(ordered)) return ordered;
		return {
			ordered,
			planned: await openPlanned(inside, environment, ordered),
		};
	});
	if ("nothingToDo" in rehearsal) return rehearsal;
	const { planned, ordered } = rehearsal;
	const id = createPreviewId();
	const operation = await request(inside.db, {
		environment: place,
		kind: "preview",
		revisionFrom: environment.revision,
		revisionTo: null,
		actor,
		keepsBackups: ordered.keepsBackups,
		options: { preview: id },
	});
	const { verb, body } = readOrder(order);
	await createPreview(inside.db, {
		id,
		environment: place,
		operation: operation.id,
		verb,
		orderDigest: digestOrder(inside.sealKey, verb, body),
		desiredRevision: environment.desiredRevision,
		lifecycle: environment.lifecycle,
		blueprintVersion: planned.blueprintVersion,
		programDigest: planned.digest,
		wish: seal(inside.sealKey, placeOf(id), JSON.stringify(planned)),
		facts: findFacts(rehearsal),
	});
	return operation;
}

/** What the operation, which is about to be taken back, would apply. */
async function openPlanned(
	context: VerbContext,
	{ id, desiredRevision }: Environment,
	{ revisionTo }: Operation,
): Promise<PlannedRevision> {
	// A destroy runs the program of the newest revision.
	const number = revisionTo ?? desiredRevision;
	const revision = await loadRevision(context.db, id, number);
	return { ...revision, opened: await loadParameters(context, id, revision) };
}

function findFacts({ ordered }: Rehearsal): PreviewFacts {
	const { fromBackup, dataFrom } = ordered.options;
	if (fromBackup === undefined || dataFrom === undefined) return {};
	const reason = `the data become those of the backup ${fromBackup}.`;
	return { dataLoss: { since: dataFrom, reason } };
}

const placeOf = (id: string): string => `previews/${id}`;

const refuse = (message: string): Failure =>
	new Failure({
		code: "conflict",
		message,
		untouched: "Nothing was ordered.",
		advice: "Order another environment.",
	});

/** The preview that an operation works out, with what it would apply. Throws `internal` when it has ended before. */
export async function loadPlanned(
	{ db, sealKey }: { readonly db: Db; readonly sealKey: SealKey },
	{ id, options }: Pick<Operation, "id" | "options">,
): Promise<{
	readonly preview: StoredPreview;
	readonly planned: PlannedRevision;
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
	return { preview, planned: JSON.parse(text) as PlannedRevision };
}
