// The turn of one member of a roll-out: its upgrade is ordered, or it is skipped and the reason kept.
import type { Rollout, RolloutMember } from "../domain/rollout.ts";
import { Failure } from "../failure.ts";
import { loadEnvironment } from "../store/environments.ts";
import { loadRevision } from "../store/revisions.ts";
import type { moveMember } from "../store/rollouts.ts";
import { isUnneeded, type VerbContext } from "./request.ts";
import { upgradeEnvironment } from "./upgrade.ts";

type Change = Parameters<typeof moveMember>[2];

/** Within the transaction that notes the outcome: an upgrade is not ordered twice. */
export async function orderMember(
	context: VerbContext,
	rollout: Rollout,
	member: RolloutMember,
): Promise<Change> {
	const { db } = context;
	const environment = await loadEnvironment(db, member.environment);
	// It would fail here for reasons of its own, and the release would be blamed.
	if (environment.lifecycle === "failed")
		return skip("It is failed, and somebody has to look at it first.");
	const desired = await loadRevision(
		db,
		environment.id,
		environment.desiredRevision,
	);
	if (desired.release.name === rollout.release)
		return skip(`It has the release ${rollout.release} already.`);
	try {
		const answer = await upgradeEnvironment(
			context,
			{ name: rollout.requestedBy },
			{
				environment,
				change: { release: rollout.release },
				options: { onFailure: "rollback", backup: "required" },
			},
		);
		return isUnneeded(answer)
			? skip(answer.nothingToDo)
			: { state: "upgrading", operation: answer.id };
	} catch (error) {
		// All that an order is refused for is found before anything is written.
		if (!(error instanceof Failure) || error.retryable) throw error;
		return skip(error.message);
	}
}

const skip = (reason: string): Change => ({ state: "skipped", reason });
