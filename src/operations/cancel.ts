// Asks for the end of an operation. What has not begun ends at once. What was begun gets the wish into its row, and its
// owner, or the next one, carries it out (cancelled.ts): nobody else may touch what it works on.
import { type Environment, movesLifecycle } from "../domain/environment.ts";
import { cancelAnswers, type Operation } from "../domain/operation.ts";
import type { Actor } from "../domain/tenant.ts";
import { Failure } from "../failure.ts";
import { countEnd } from "../metrics.ts";
import { forgetOrder } from "../store/approvals.ts";
import { attempt, type Db } from "../store/db.ts";
import { lockEnvironment, updateEnvironment } from "../store/environments.ts";
import { appendEvents } from "../store/events.ts";
import { findNextQueued, findOperation } from "../store/operations.ts";
import { cancelQueued, requestCancel } from "../store/wishes.ts";
import { restoreLifecycle } from "./lifecycle.ts";
import { nudge, type VerbContext } from "./request.ts";

/**
 * Asked again, the answer is the same operation, also when it was cancelled meanwhile. Throws `conflict` when it has
 * ended otherwise or is about to.
 */
export async function cancelOperation(
	context: VerbContext,
	actor: Actor,
	operation: Operation,
): Promise<Operation> {
	// It may move on between a look and a write. Each write checks that by itself, and a state never comes back.
	for (let current = operation; ; ) {
		const cancelled = await tryToCancel(context, actor, current);
		if (cancelled !== undefined) return cancelled;
		current = await reload(context.db, operation);
	}
}

async function tryToCancel(
	context: VerbContext,
	actor: Actor,
	operation: Operation,
): Promise<Operation | undefined> {
	switch (cancelAnswers[operation.state]) {
		case "repeats":
			return operation;
		case "late":
			throw tooLate(operation);
		case "ends":
			return endQueued(context, actor, operation);
		case "asks":
			if (operation.phase === "finishing") throw tooLate(operation);
			return ask(context, actor, operation);
	}
}

/** The environment is locked before the operation, as every verb does it. */
async function endQueued(
	context: VerbContext,
	actor: Actor,
	{ id, environment, kind }: Operation,
): Promise<Operation | undefined> {
	const ended = await attempt(context.db, async (trx) => {
		const current = await lockEnvironment(trx, environment);
		const by = actor.name;
		const cancelled = await cancelLocked(trx, current, { id, kind, by });
		return (
			cancelled && { cancelled, next: await findNextQueued(trx, environment) }
		);
	});
	if (ended !== undefined) countEnd(ended.cancelled, "cancelled");
	// Others of the environment may stand behind it. A message that is lost is sent again by the sweep.
	if (ended?.next !== undefined) void context.sender.enqueue(ended.next, 0);
	return ended?.cancelled;
}

/** In a transaction of the caller's, who holds the environment. Undefined when it is not queued any more. */
export async function cancelLocked(
	trx: Db,
	current: Environment,
	{ id, kind, by }: Pick<Operation, "id" | "kind"> & { readonly by: string },
): Promise<Operation | undefined> {
	const before = await findOperation(trx, id, undefined);
	const ended = await cancelQueued(trx, id, by);
	if (ended === undefined) return undefined;
	await forgetOrder(trx, id);
	// What awaits an approval has moved nothing yet.
	if (movesLifecycle(kind) && before?.state === "queued") {
		await updateEnvironment(trx, current.id, {
			lifecycle: await restoreLifecycle(trx, current),
		});
	}
	await appendEvents(trx, { environment: current.id, operation: id }, [
		{
			type: "operation.cancelled",
			data: { kind, by, forced: false, exists: [] },
		},
	]);
	return ended;
}

/** The operation is locked before the environment, as its owner does it. */
async function ask(
	context: VerbContext,
	actor: Actor,
	{ id, environment }: Operation,
): Promise<Operation | undefined> {
	const asked = await attempt(context.db, async (trx) => {
		const cancelling = await requestCancel(trx, id, actor.name);
		if (cancelling === undefined) return undefined;
		await appendEvents(trx, { environment, operation: id }, [
			{ type: "operation.cancelling", data: { by: actor.name } },
		]);
		return cancelling;
	});
	// Nobody may own it at the moment: it may be waiting for its next attempt.
	if (asked !== undefined) nudge(context, asked);
	return asked;
}

async function reload(db: Db, { id }: Operation): Promise<Operation> {
	const found = await findOperation(db, id, undefined);
	if (found === undefined) throw new Error(`${id} is gone`);
	return found;
}

function tooLate({ id, state }: Operation): Failure {
	const isOver = cancelAnswers[state] === "late";
	return new Failure({
		code: "conflict",
		message: isOver
			? `The operation ${id} has ended already: it is ${state}.`
			: `The operation ${id} is writing down its end.`,
		untouched: "Nothing was changed.",
		advice: isOver
			? "Look at its environment. If that is not wanted any more, destroy it."
			: "Wait until it has ended, then destroy the environment if it is not wanted any more.",
	});
}
