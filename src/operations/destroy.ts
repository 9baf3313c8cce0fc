// Orders that an environment be destroyed: apply "nothing", then let go of its name.
import { type Environment, refusal } from "../domain/environment.ts";
import type { Operation } from "../domain/operation.ts";
import type { Actor } from "../domain/tenant.ts";
import { Failure } from "../failure.ts";
import type { Db } from "../store/db.ts";
import { lockEnvironment, updateEnvironment } from "../store/environments.ts";
import { findOpenOperation, supersedeQueued } from "../store/operations.ts";
import { loadRevision } from "../store/revisions.ts";
import { requireUnmoved } from "./bound.ts";
import {
	nudge,
	reportSuperseded,
	request,
	type VerbContext,
} from "./request.ts";

/** What is to be destroyed, and how. */
export interface Destruction extends Environment {
	readonly previewId?: string | undefined;
	/** Leaves the bucket with the backups, where the target has AWS. A destroy that is on its way keeps its own word. */
	readonly keepsBackups?: boolean;
}

/**
 * Waits its turn behind a running operation; what has not begun is superseded. Asked again while it is on
 * its way, the same operation is returned. Throws `conflict` when the state of the environment forbids it.
 */
export async function destroyEnvironment(
	context: VerbContext,
	actor: Actor,
	environment: Destruction,
): Promise<Operation> {
	const operation = await context.db.transaction().execute(async (trx) => {
		const current = await lockEnvironment(trx, environment.id);
		refuseDestroy(current);
		const underway = await findOpenOperation(trx, current.id, "destroy");
		if (underway !== undefined) return underway;
		const { previewId, keepsBackups = false } = environment;
		const bound = await requireUnmoved({ ...context, db: trx }, current, {
			verb: "destroy",
			body: { keepBackups: keepsBackups },
			previewId,
			blueprintVersion: await findNewestProgram(trx, current),
		});

		const superseded = await supersedeQueued(trx, current.id);
		const ordered = await request(trx, {
			environment: current.id,
			kind: "destroy",
			revisionFrom: current.revision,
			revisionTo: null,
			actor,
			keepsBackups,
			options: bound,
		});
		await reportSuperseded(trx, superseded, ordered.id);
		await updateEnvironment(trx, current.id, { lifecycle: "destroying" });
		return ordered;
	});
	nudge(context, operation);
	return operation;
}

/** Throws `conflict` when the state of the environment forbids it. */
export function refuseDestroy(environment: Environment): void {
	const reason = refusal("destroy", environment);
	if (reason === undefined) return;
	throw new Failure({
		code: "conflict",
		message: reason,
		untouched: "Nothing was ordered.",
	});
}

/** A destroy runs the program of the newest revision, because only it names what there is. */
async function findNewestProgram(
	trx: Db,
	{ id, desiredRevision }: Environment,
): Promise<string> {
	return (await loadRevision(trx, id, desiredRevision)).blueprintVersion;
}
