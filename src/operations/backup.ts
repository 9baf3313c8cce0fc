// Orders a backup of an environment that goes on running.
import { type Environment, refusal } from "../domain/environment.ts";
import type { Operation } from "../domain/operation.ts";
import type { Actor } from "../domain/tenant.ts";
import { Failure } from "../failure.ts";
import { transact } from "../store/db.ts";
import { lockEnvironment } from "../store/environments.ts";
import { findNextQueued, findOperation } from "../store/operations.ts";
import { nudge, request, type VerbContext } from "./request.ts";

/**
 * Waits its turn behind what runs, and is of what that leaves. Asked again while one waits to be begun, that one is
 * returned: it will hold the same. Throws `conflict` when the state of the environment forbids it.
 */
export async function backUpEnvironment(
	context: VerbContext,
	actor: Actor,
	environment: Environment,
): Promise<Operation> {
	const operation = await transact(context.db, async (trx) => {
		const current = await lockEnvironment(trx, environment.id);
		const reason = refusal("backup", current);
		if (reason !== undefined) {
			throw new Failure({
				code: "conflict",
				message: reason,
				untouched: "Nothing was ordered.",
				advice: "Back it up when it is ready.",
			});
		}
		const waiting = await findNextQueued(trx, current.id, ["backup"]);
		const known = waiting && (await findOperation(trx, waiting, undefined));
		if (known !== undefined) return known;
		return request(trx, {
			environment: current.id,
			kind: "backup",
			revisionFrom: current.revision,
			revisionTo: current.revision,
			actor,
			options: { backup: "required" },
		});
	});
	nudge(context, operation);
	return operation;
}
