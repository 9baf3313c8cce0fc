// Lets an environment live longer, or shorter: its time is counted anew from now on. Needs no operation.
import {
	type Environment,
	lifecycleDuring,
	refusal,
} from "../domain/environment.ts";
import { findTtlError, readDuration } from "../domain/expiry.ts";
import type { Operation } from "../domain/operation.ts";
import type { Actor } from "../domain/tenant.ts";
import { Failure } from "../failure.ts";
import { type Db, transact } from "../store/db.ts";
import { loadEnvironment, lockEnvironment } from "../store/environments.ts";
import { appendEvents } from "../store/events.ts";
import { loadSurroundings, setExpiry } from "../store/expiries.ts";
import { findNextQueued, findOpenOperation } from "../store/operations.ts";
import { cancelLocked } from "./cancel.ts";
import type { VerbContext } from "./request.ts";

/**
 * `ttl` is counted from now; null: for ever. What the end of its time has ordered is taken back if nobody has begun it.
 * Throws `invalid_request` beyond the tenant's maximum, and `conflict` when the state of the environment forbids it.
 */
export async function extendEnvironment(
	context: VerbContext,
	actor: Pick<Actor, "name">,
	order: {
		readonly environment: Pick<Environment, "id">;
		readonly ttl: string | null;
	},
): Promise<Environment> {
	const { ttl } = order;
	const { id } = order.environment;
	const { extended, next } = await transact(context.db, async (trx) => {
		const current = await lockEnvironment(trx, id);
		const { settings } = await loadSurroundings(trx, id);
		const error = findTtlError(ttl, settings);
		if (error !== undefined) throw refuseTtl(error);
		const isFreed = await takeBackEnd(trx, current, actor);
		const reason = isFreed ? undefined : refusal("extend", current);
		if (reason !== undefined) throw refuse(reason);
		await setExpiry(trx, id, ttl === null ? null : readDuration(ttl));
		const extended = await loadEnvironment(trx, id);
		const expiresAt = extended.expiresAt?.toISOString() ?? null;
		await appendEvents(trx, { environment: id, operation: null }, [
			{ type: "environment.extended", data: { expiresAt, by: actor.name } },
		]);
		const next = isFreed ? await findNextQueued(trx, id) : undefined;
		return { extended, next };
	});
	// Others may stand behind what was taken back. A message that is lost is sent again by the sweep.
	if (next !== undefined) void context.sender.enqueue(next, 0);
	return extended;
}

/** Whether what the service ordered at the end of its time was still waiting, and is not any more. */
async function takeBackEnd(
	trx: Db,
	current: Environment,
	actor: Pick<Actor, "name">,
): Promise<boolean> {
	for (const kind of ["destroy", "hibernate"] as const) {
		if (current.lifecycle !== lifecycleDuring[kind]) continue;
		const open = await findOpenOperation(trx, current.id, kind);
		if (open === undefined || !isWaitingEnd(open)) continue;
		// A worker may begin it at this moment: then it is too late.
		const ended = await cancelLocked(trx, current, { ...open, by: actor.name });
		return ended !== undefined;
	}
	return false;
}

const isWaitingEnd = ({ state, options }: Operation): boolean =>
	state === "queued" && options.reason !== undefined;

const refuse = (message: string): Failure =>
	new Failure({
		code: "conflict",
		message,
		untouched: "Its time was not changed.",
		advice: "Order another environment.",
	});

const refuseTtl = (error: string): Failure =>
	new Failure({
		code: "invalid_request",
		message: `The environment cannot be extended so: /ttl ${error}.`,
		untouched: "Its time was not changed.",
		advice:
			"Ask for less; it can be extended again. The platform admin may raise the tenant's `ttlMax`.",
		errors: [{ pointer: "/ttl", message: error }],
	});
