import type { Output } from "../contract/endpoint.ts";
import type { findRollout, listRollouts } from "../contract/rollouts.ts";
import type { MemberState, Rollout, RolloutMember } from "../domain/rollout.ts";

export const presentRollout = (
	rollout: Rollout,
	progress: Readonly<Partial<Record<MemberState, number>>>,
): Output<typeof listRollouts>["items"][number] => ({
	id: rollout.id,
	release: rollout.release,
	selector: rollout.selector,
	maxConcurrent: rollout.maxConcurrent,
	pauseAfterFirstWave:
		rollout.pauseSeconds === null
			? false
			: rollout.pauseSeconds === 0
				? true
				: rollout.pauseSeconds,
	window: rollout.window,
	onFailure: "stop",
	state: rollout.state,
	reason: rollout.timeline.at(-1)?.reason ?? null,
	progress: { ...progress },
	timeline: rollout.timeline.map(({ state, at, reason }) => ({
		state,
		at,
		reason,
	})),
	requestedBy: rollout.requestedBy,
	abortedBy: rollout.abortedBy,
	resumesAt: rollout.resumesAt?.toISOString() ?? null,
	createdAt: rollout.createdAt.toISOString(),
	finishedAt: rollout.finishedAt?.toISOString() ?? null,
});

export const presentMember = (
	member: RolloutMember,
): Output<typeof findRollout>["members"][number] => ({
	environment: member.environment,
	name: member.name,
	tenant: member.tenant,
	state: member.state,
	operation: member.operation,
	rollback: member.rollback,
	reason: member.reason,
});
