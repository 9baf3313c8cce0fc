// Tries again what did not succeed. An end is an end, so this is a new operation for the same revision, which says what
// it is a retry of; it goes on from what is there, as any attempt does.
import {
	type Environment,
	lifecycleDuring,
	movesLifecycle,
} from "../domain/environment.ts";
import { isFinal, mayBeRetried, type Operation } from "../domain/operation.ts";
import type { Actor } from "../domain/tenant.ts";
import { Failure } from "../failure.ts";
import { type Db, transact } from "../store/db.ts";
import { lockEnvironment, updateEnvironment } from "../store/environments.ts";
import { findOperation } from "../store/operations.ts";
import { findFollower } from "../store/wishes.ts";
import { heedQuota, within } from "./quota.ts";
import { nudge, request, type VerbContext } from "./request.ts";

/**
 * Asked again while the retry waits or runs, that one is returned. Throws `conflict` when the operation did not end
 * in a way that can be tried again, is not the newest of its environment, or led to a revision that is not wished
 * for any more; and `quota_exceeded` when that takes more than its tenant has left.
 */
export async function retryOperation(
	context: VerbContext,
	actor: Actor,
	{ id, environment: place }: Operation,
): Promise<Operation> {
	const retried = await transact(context.db, async (trx) => {
		const environment = await lockEnvironment(trx, place);
		const operation = await findOperation(trx, id, undefined);
		if (operation === undefined) throw new Error(`${id} is gone`);
		const follower = await findFollower(trx, operation);
		if (follower?.retryOf === id && isOnItsWay(follower)) {
			return follower;
		}
		const reason = refusal(operation, follower, environment);
		if (reason !== undefined) throw refused(reason);
		// What was cancelled before it began takes nothing; tried again it may.
		return heedQuota(trx, within(environment, actor), () =>
			writeRetry(trx, actor, { environment, operation }),
		);
	});
	nudge(context, retried);
	return retried;
}

async function writeRetry(
	trx: Db,
	actor: Actor,
	{
		environment: { id, revision },
		operation,
	}: { readonly environment: Environment; readonly operation: Operation },
): Promise<Operation> {
	const { kind, revisionTo, keepsBackups, options } = operation;
	const ordered = await request(trx, {
		environment: id,
		kind,
		revisionFrom: revision,
		revisionTo,
		actor,
		retryOf: operation.id,
		keepsBackups,
		options,
	});
	const lifecycle = lifecycleDuring[kind];
	if (lifecycle !== undefined) await updateEnvironment(trx, id, { lifecycle });
	return ordered;
}

const isOnItsWay = ({ state }: Operation): boolean =>
	!isFinal(state) && state !== "cancelling";

function refusal(
	operation: Operation,
	follower: Operation | undefined,
	environment: Environment,
): Pick<Failure, "message" | "advice"> | undefined {
	const { id, kind, state, revisionTo } = operation;
	if (operation.needsApproval && operation.approvedBy === null) {
		return {
			message: `The operation ${id} was never approved.`,
			advice: "Order it again.",
		};
	}
	if (kind === "preview") {
		return {
			message: `The operation ${id} is a preview: trying it again would show what was wished for then.`,
			advice: "Order another preview.",
		};
	}
	if (!mayBeRetried(state)) {
		return {
			message: `The operation ${id} is ${state}; only one that failed, stalled, timed out or was cancelled can be tried again.`,
			advice: "Follow its events.",
		};
	}
	if (follower !== undefined) {
		return {
			message: `The operation ${id} is not the newest of its environment: ${follower.id} (${follower.kind}, ${follower.state}) came after it.`,
			advice: `Look at GET /v1/operations/${follower.id}.`,
		};
	}
	// Nothing is wished for by a destroy, or by what moves nothing, and a rotation is of whatever runs; everything else
	// leads to a revision.
	if (
		movesLifecycle(kind) &&
		kind !== "rotate" &&
		revisionTo !== null &&
		revisionTo !== environment.desiredRevision
	) {
		return {
			message: `The operation ${id} led to revision ${revisionTo}; revision ${environment.desiredRevision} is wished for now.`,
			advice: "Order what you want the environment to be.",
		};
	}
	return undefined;
}

const refused = ({ message, advice }: Pick<Failure, "message" | "advice">) =>
	new Failure({
		code: "conflict",
		message,
		untouched: "Nothing was ordered.",
		...(advice !== undefined && { advice }),
	});
