// Orders that an environment be destroyed: apply "nothing", then let go of its name.
import { type Environment, refusal } from "../domain/environment.ts";
import type { Operation, OperationOptions } from "../domain/operation.ts";
import type { Actor, Orderer } from "../domain/tenant.ts";
import { Failure } from "../failure.ts";
import { transact } from "../store/db.ts";
import { lockEnvironment, updateEnvironment } from "../store/environments.ts";
import { findOpenOperation, supersedeQueued } from "../store/operations.ts";
import {
	nudge,
	reportSuperseded,
	request,
	type VerbContext,
} from "./request.ts";

/** What is to be destroyed, and how. */
export interface Destruction extends Environment {
	/** Leaves the bucket with the backups, where the target has AWS. A destroy that is on its way keeps its own word. */
	readonly keepsBackups?: boolean;
	readonly options?: OperationOptions;
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
	const operation = await transact(context.db, (trx) =>
		destroyLocked({ ...context, db: trx }, actor, environment),
	);
	nudge(context, operation);
	return operation;
}

/** In a transaction of the caller's, who nudges after it. */
export async function destroyLocked(
	{ db: trx }: VerbContext,
	actor: Orderer,
	destruction: Pick<Destruction, "id" | "keepsBackups" | "options">,
): Promise<Operation> {
	const current = await lockEnvironment(trx, destruction.id);
	const reason = refusal("destroy", current);
	if (reason !== undefined) {
		throw new Failure({
			code: "conflict",
			message: reason,
			untouched: "Nothing was ordered.",
			advice: "Nothing is left to do: its name is free again.",
		});
	}
	const underway = await findOpenOperation(trx, current.id, "destroy");
	if (underway !== undefined) return underway;

	const superseded = await supersedeQueued(trx, current.id);
	const ordered = await request(trx, {
		environment: current.id,
		kind: "destroy",
		revisionFrom: current.revision,
		revisionTo: null,
		actor,
		keepsBackups: destruction.keepsBackups ?? false,
		options: destruction.options ?? {},
	});
	await reportSuperseded(trx, superseded, ordered.id);
	await updateEnvironment(trx, current.id, { lifecycle: "destroying" });
	return ordered;
}
