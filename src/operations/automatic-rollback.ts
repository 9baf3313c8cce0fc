// What follows by itself from an upgrade that failed. It is decided and written in the transaction that ends the upgrade,
// so there is no moment at which the upgrade has failed and nobody knows what comes. Of a rollback that fails nothing
// follows: a person decides.
import { movingKinds } from "../domain/environment.ts";
import type { NewEvent } from "../domain/event.ts";
import { createOperationId, type OperationId } from "../domain/ids.ts";
import type {
	FinalState,
	Operation,
	OperationKind,
} from "../domain/operation.ts";
import { serviceActor } from "../domain/tenant.ts";
import { Failure, type FailureRecord } from "../failure.ts";
import { lockEnvironment } from "../store/environments.ts";
import {
	findNextQueued,
	findOperation,
	supersedeQueued,
} from "../store/operations.ts";
import { reportSuperseded } from "./request.ts";
import { adviseAfterUpgrade } from "./roll-out.ts";
import { recordRollback } from "./rollback.ts";
import { findRollbackGoal, type RollbackGoal } from "./rollback-goal.ts";
import type { WishContext } from "./wish.ts";

/** Ends after which an upgrade is taken back. One that is stalled met something that is away, which a rollback would meet as well. */
const takenBack: readonly FinalState[] = ["failed", "timed_out"];

/** Whoever ordered one of these meanwhile has said what is to become of the environment. */
const goInstead: readonly OperationKind[] = ["upgrade", "rollback", "destroy"];

/** An end that is a failure. */
export type TroubledEnd = Extract<
	FinalState,
	"failed" | "timed_out" | "stalled"
>;

export interface Consequence {
	/** What the reader of the upgrade's error learns of it. */
	readonly advice: string;
	readonly rollback?: OperationId;
	/** Writes it. To be called in the same transaction, once the upgrade's end is written. */
	carryOut(): Promise<void>;
}

/** Undefined where none was wished for. `context.db` is the transaction that ends the upgrade; it locks the environment. */
export async function decideConsequence(
	context: WishContext,
	operation: Operation,
	end: FinalState,
): Promise<Consequence | undefined> {
	const isPromised =
		operation.kind === "upgrade" && operation.options.onFailure === "rollback";
	if (!isPromised || !takenBack.includes(end)) return undefined;
	const environment = await lockEnvironment(context.db, operation.environment);
	const row = await findOperation(context.db, operation.id, undefined);
	// What ended before it touched anything has left the environment as it was.
	if (row?.isTouched !== true) return undefined;
	const next = await findNextQueued(context.db, environment.id, goInstead);
	if (next !== undefined) {
		return doNothing(
			`It is not rolled back, because ${next} was ordered meanwhile and goes next.`,
		);
	}
	const { revision } = environment;
	if (revision === null) return undefined;
	try {
		const goal = await findRollbackGoal(context, environment, {
			to: revision,
			data: "keep",
		});
		return await rollBack(context, operation, goal);
	} catch (error) {
		if (!(error instanceof Failure)) throw error;
		return doNothing(
			`It could not be rolled back by itself: ${error.message} ${adviseAfterUpgrade(revision)}`,
		);
	}
}

const doNothing = (advice: string): Consequence => ({
	advice,
	carryOut: async () => {},
});

async function rollBack(
	context: WishContext,
	{ id: causedBy, environment }: Operation,
	goal: RollbackGoal,
): Promise<Consequence> {
	const { db } = context;
	const id = createOperationId();
	return {
		advice: `It is rolled back to revision ${goal.basedOn} by ${id}: follow that.`,
		rollback: id,
		async carryOut() {
			// What else waits was built on the revision that failed.
			const superseded = await supersedeQueued(db, environment, movingKinds);
			const current = await lockEnvironment(db, environment);
			await recordRollback(context, current, {
				goal,
				id,
				actor: serviceActor,
				causedBy,
				// The upgrade has made a backup, if one was wanted; what failed may not be able to.
				options: { data: "keep", backup: "skip" },
			});
			await reportSuperseded(db, superseded, id);
		},
	};
}

/** The end of an operation for its readers, which names what follows from it. */
export function tellEnd(
	{ kind }: Operation,
	{
		state,
		error,
	}: { readonly state: TroubledEnd; readonly error: FailureRecord },
	consequence: Consequence | undefined,
): { readonly error: FailureRecord; readonly event: NewEvent } {
	const { advice, rollback } = consequence ?? {};
	const told: FailureRecord =
		advice === undefined
			? error
			: {
					...error,
					advice: [error.advice, advice]
						.filter((part) => part !== undefined)
						.join(" "),
				};
	const data = { kind, error: told };
	return {
		error: told,
		event:
			state === "stalled"
				? { type: "operation.stalled", data }
				: {
						type: `operation.${state}`,
						data: { ...data, ...(rollback && { rollback }) },
					},
	};
}
