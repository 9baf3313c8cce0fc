// An order that is bound to a preview is what was previewed, or nothing: it is refused when anything that the preview was
// worked out from has moved since. Asked inside the verb's transaction, which holds the environment.
import { createHmac, hkdfSync } from "node:crypto";
import type { Environment } from "../domain/environment.ts";
import type { OperationOptions } from "../domain/operation.ts";
import type { PreviewedVerb } from "../domain/preview.ts";
import { Failure } from "../failure.ts";
import type { SealKey } from "../seal.ts";
import {
	findDigest,
	findMoving,
	findPreview,
	findStateSerial,
	type StoredPreview,
} from "../store/previews.ts";
import type { VerbContext } from "./request.ts";

/** An order as its verb got it, with the program that would carry it out. */
export interface BoundOrder {
	readonly verb: PreviewedVerb;
	readonly body: object;
	/** Undefined: it is bound to nothing. */
	readonly previewId: string | undefined;
	readonly blueprintVersion: string;
}

/** What may have moved, as `errors` of the refusal names it after `/previewId/`. */
type Moved = "preview" | "environment" | "order" | "program" | "state";

/** What the operation's options say of it. Throws `conflict`, which says what has moved. */
export async function requireUnmoved(
	inside: Pick<VerbContext, "db" | "sealKey">,
	current: Environment,
	order: BoundOrder,
): Promise<Pick<OperationOptions, "preview">> {
	const { previewId } = order;
	if (previewId === undefined) return {};
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
	await refuseProgram(inside, preview, order.blueprintVersion);
	await refuseState(inside, preview);
	return { preview: preview.id };
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
	if (!digestOrder(sealKey, verb, body).equals(preview.orderDigest))
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

async function refuseProgram(
	{ db }: Pick<VerbContext, "db">,
	{ id, environment, blueprintVersion, programDigest }: StoredPreview,
	wanted: string,
): Promise<void> {
	const isSame =
		blueprintVersion === wanted &&
		(await findDigest(db, environment, wanted)) === programDigest;
	if (!isSame)
		throw refuse(
			"program",
			`The program has moved since the preview ${id}: its version was ${blueprintVersion}, and would be ${wanted}${blueprintVersion === wanted ? " with other code" : ""}.`,
		);
}

async function refuseState(
	{ db }: Pick<VerbContext, "db">,
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
	return createHmac("sha256", Buffer.from(key))
		.update(`${verb}\n${writeCanonically(body)}`)
		.digest();
}

/** JSON whose keys are in order. `previewId` binds and is no part of what is ordered. */
function writeCanonically(body: object): string {
	return JSON.stringify(body, (key, value: unknown) => {
		if (key === "previewId") return undefined;
		return typeof value === "object" && value !== null && !Array.isArray(value)
			? Object.fromEntries(
					Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)),
				)
			: value;
	});
}
