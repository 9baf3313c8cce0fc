// Orders that an environment be destroyed: apply "nothing", then let go of its name.
import { type Environment, refusal } from "../domain/environment.ts";
import type { Operation } from "../domain/operation.ts";
import type { Actor } from "../domain/tenant.ts";
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
	const operation = await transact(context.db, async (trx) => {
		const current = await lockEnvironment(trx, environment.id);
		const reason = refusal("destroy", current);
		if (reason !== undefined) {
			throw new Failure({
				code: "conflict",
				message: reason,
				untouched: "Nothing was ordered.",
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
			keepsBackups: environment.keepsBackups ?? false,
		});
		await reportSuperseded(trx, superseded, ordered.id);
		await updateEnvironment(trx, current.id, { lifecycle: "destroying" });
		return ordered;
	});
	nudge(context, operation);
	return operation;
}
