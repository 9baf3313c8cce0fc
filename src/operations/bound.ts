// An order that is bound to a preview is what was previewed, or nothing: it is refused when anything that the preview was
// worked out from has moved since. Asked inside the verb's transaction, which holds the environment.
import { createHmac, hkdfSync } from "node:crypto";
import { writeCanonically } from "../domain/canonical.ts";
import type { Environment } from "../domain/environment.ts";
import type { Operation } from "../domain/operation.ts";
import type { PreviewedVerb } from "../domain/preview.ts";
import { isSameHash } from "../domain/token.ts";
import { Failure } from "../failure.ts";
import type { SealKey } from "../seal.ts";
import type { Db } from "../store/db.ts";
import {
	findMoving,
	findPreview,
	findStateSerial,
	type StoredPreview,
} from "../store/previews.ts";
import { loadRevision } from "../store/revisions.ts";
import type { VerbContext } from "./request.ts";

/** An order as its verb got it. */
export interface BoundOrder {
	readonly verb: PreviewedVerb;
	readonly body: object;
	readonly previewId: string;
}

/** What may have moved, as `errors` of the refusal names it after `/previewId/`. */
type Moved = "preview" | "environment" | "order" | "program" | "state";

/** The preview that it is bound to, before it is carried out. Throws `conflict`, which says what has moved. */
export async function requireUnmoved(
	inside: Pick<VerbContext, "db" | "sealKey">,
	current: Environment,
	order: BoundOrder,
): Promise<StoredPreview> {
	const { previewId } = order;
	const preview = await findPreview(inside.db, previewId, undefined);
	if (preview?.environment !== current.id) {
		throw refuse(
			"preview",
			`There is no preview ${previewId} of this environment.`,
		);
	}
	refuseEnded(preview);
	refuseOther(inside.sealKey, preview, order);
	refuseEnvironment(preview, current);
	await refuseState(inside.db, preview);
	return preview;
}

function refuseEnded({ id, result, isOver, operation }: StoredPreview): void {
	if (result === null)
		throw refuse(
			"preview",
			`The preview ${id} has no result: look at its operation ${operation}.`,
		);
	if (isOver) throw refuse("preview", `The preview ${id} has expired.`);
}

function refuseOther(
	sealKey: SealKey,
	preview: StoredPreview,
	{ verb, body }: BoundOrder,
): void {
	if (preview.verb !== verb)
		throw refuse(
			"order",
			`The preview ${preview.id} is of ${preview.verb}, and this is ${verb}.`,
		);
	if (!isSameHash(digestOrder(sealKey, verb, body), preview.orderDigest))
		throw refuse(
			"order",
			`The preview ${preview.id} is of another order: what is asked for differs.`,
		);
}

function refuseEnvironment(
	{ id, desiredRevision, lifecycle }: StoredPreview,
	current: Environment,
): void {
	if (desiredRevision !== current.desiredRevision)
		throw refuse(
			"environment",
			`The environment has moved since the preview ${id}: revision ${current.desiredRevision} is wished for, and was ${desiredRevision}.`,
		);
	if (lifecycle !== current.lifecycle)
		throw refuse(
			"environment",
			`The environment has moved since the preview ${id}: it is ${current.lifecycle}, and was ${lifecycle}.`,
		);
}

/** Once it was carried out, and may still be taken back. Throws `conflict`. */
export async function requireSameProgram(
	db: Db,
	{ id, environment, blueprintVersion, programDigest }: StoredPreview,
	{
		revisionTo,
		desiredRevision,
	}: Pick<Operation, "revisionTo"> & Pick<Environment, "desiredRevision">,
): Promise<void> {
	const number = revisionTo ?? desiredRevision;
	const { blueprintVersion: wanted, digest } = await loadRevision(
		db,
		environment,
		number,
	);
	if (blueprintVersion === wanted && digest === programDigest) return;
	throw refuse(
		"program",
		`The program has moved since the preview ${id}: its version was ${blueprintVersion}, and would be ${wanted}${blueprintVersion === wanted ? " with other code" : ""}.`,
	);
}

async function refuseState(
	db: Db,
	{ id, environment, stateVersion }: StoredPreview,
): Promise<void> {
	const moving = await findMoving(db, environment);
	const serial = await findStateSerial(db, environment);
	if (moving !== undefined || serial.isMoving)
		throw refuse(
			"state",
			`The state will have moved since the preview ${id}: ${moving === undefined ? "an operator's run" : `the operation ${moving}`} goes on.`,
		);
	if (serial.version !== stateVersion)
		throw refuse(
			"state",
			`The state has moved since the preview ${id}: its number was ${stateVersion}, and is ${serial.version}.`,
		);
}

const refuse = (moved: Moved, message: string): Failure =>
	new Failure({
		code: "conflict",
		message,
		untouched: "Nothing was ordered.",
		advice: "Preview it again, look at what would change now, and order that.",
		errors: [{ pointer: "/previewId", message: `moved: ${moved}` }],
	});

/** The same for the same verb with the same order, in whatever order its keys come. Tells nothing of what is in it. */
export function digestOrder(
	sealKey: SealKey,
	verb: string,
	body: object,
): Buffer {
	const key = hkdfSync("sha256", sealKey.key, "", "previewed orders", 32);
	// `previewId` binds and is no part of what is ordered.
	const ordered = Object.fromEntries(
		Object.entries(body).filter(([name]) => name !== "previewId"),
	);
	return createHmac("sha256", Buffer.from(key))
		.update(`${verb}\n${writeCanonically(ordered)}`)
		.digest();
}
