// Goes on with roll-outs: looks at what has ended, and orders the next upgrades. One step is one transaction with the
// roll-out's row locked, so any number of processes may do it and any may die; what a step decides is in the rows.
import type { RolloutId } from "../domain/ids.ts";
import { isFinal, type Operation } from "../domain/operation.ts";
import {
	hasFailed,
	isOpen,
	isUnderWay,
	type Rollout,
	type RolloutMember,
} from "../domain/rollout.ts";
import type { Log } from "../log.ts";
import type { Db } from "../store/db.ts";
import { findOperation, readClock } from "../store/operations.ts";
import {
	findCausedRollback,
	listMembers,
	listOpenRollouts,
	lockRollout,
	moveMember,
	moveRollout,
	releaseWaiting,
} from "../store/rollouts.ts";
import { orderMember } from "./fleet-member.ts";
import type { VerbContext } from "./request.ts";

export type FleetContext = VerbContext & { readonly log: Log };

/** One pass over all that are open. */
export async function advanceRollouts(context: FleetContext): Promise<void> {
	for (const id of await listOpenRollouts(context.db)) {
		try {
			// One member a step: a transaction that held several environments could meet another that holds them too.
			while (await advance(context, id));
		} catch (err) {
			// The others go on, and this one is tried again with the next pass.
			context.log.warn({ err, rollout: id }, "a roll-out did not go on");
		}
	}
}

/** One step. Returns whether there may be another. */
async function advance(context: FleetContext, id: RolloutId): Promise<boolean> {
	const sent: Parameters<VerbContext["sender"]["enqueue"]>[] = [];
	const isMoved = await context.db.transaction().execute(async (trx) => {
		const rollout = await lockRollout(trx, id, { skipsLocked: true });
		if (rollout === undefined) return false;
		// What is ordered is announced after the commit.
		const sender = {
			async enqueue(...message: (typeof sent)[number]) {
				sent.push(message);
			},
		};
		return takeStep({ ...context, db: trx, sender }, rollout);
	});
	for (const message of sent) void context.sender.enqueue(...message);
	return isMoved;
}

async function takeStep(
	context: FleetContext,
	rollout: Rollout,
): Promise<boolean> {
	const { db, log } = context;
	const { id } = rollout;
	for (const member of await listMembers(db, id))
		if (isUnderWay(member)) await settle(db, id, member);
	const members = await listMembers(db, id);
	const now = await readClock(db);

	const failed = members.filter(hasFailed);
	if (rollout.state !== "stopping" && failed.length > 0) {
		const reason = `${failed.map(nameOf).join(", ")} failed.`;
		log.warn({ rollout: id, reason }, "a roll-out stops");
		await moveRollout(db, id, { state: "stopping", reason });
		return true;
	}
	switch (rollout.state) {
		case "stopping":
			return stop(db, rollout, members);
		case "paused":
			if (rollout.resumesAt === null || rollout.resumesAt > now) return false;
			await moveRollout(db, id, {
				state: "running",
				reason: "The pause is over.",
			});
			return true;
		default:
			return goOn(context, { rollout, members, now });
	}
}

/** Notes what became of a member that is under way. */
async function settle(
	db: Db,
	rollout: RolloutId,
	member: RolloutMember,
): Promise<void> {
	const at = { rollout, ordinal: member.ordinal };
	const operation = await load(db, member.operation);
	if (!isFinal(operation.state)) return;
	if (operation.state === "succeeded") {
		await moveMember(db, at, { state: "succeeded" });
		return;
	}
	if (operation.state === "superseded") {
		const reason = "Something else was ordered in its place.";
		await moveMember(db, at, { state: "skipped", reason });
		return;
	}
	const reason = explainEnd(operation);
	const back = await findCausedRollback(db, member.environment, operation.id);
	if (back === undefined) {
		await moveMember(db, at, { state: "failed", reason });
	} else if (!isFinal(back.state)) {
		if (member.state === "rolling_back") return;
		await moveMember(db, at, {
			state: "rolling_back",
			reason,
			rollback: back.id,
		});
	} else {
		await moveMember(db, at, {
			state: back.state === "succeeded" ? "rolled_back" : "failed",
			reason:
				back.state === "succeeded"
					? reason
					: `${reason} Its rollback: ${explainEnd(back)}`,
			rollback: back.id,
		});
	}
}

const explainEnd = ({ state, error }: Operation): string =>
	error?.message ?? `The operation is ${state}.`;

/** Nothing is begun any more. Once nothing is under way either, it is over. */
async function stop(
	db: Db,
	rollout: Rollout,
	members: readonly RolloutMember[],
): Promise<boolean> {
	const released = await releaseWaiting(db, rollout.id);
	if (released > 0) return true;
	if (members.some(isUnderWay)) return false;
	await moveRollout(db, rollout.id, {
		state: rollout.abortedBy === null ? "failed" : "aborted",
		reason: describeEnd(rollout, members),
		isEnd: true,
	});
	return false;
}

function describeEnd(
	{ abortedBy }: Rollout,
	members: readonly RolloutMember[],
): string {
	const listIn = (state: RolloutMember["state"]) =>
		members.filter((member) => member.state === state);
	const untouched = listIn("untouched");
	const sentences = [
		abortedBy === null ? "" : `${abortedBy} aborted it.`,
		...listIn("rolled_back").map(
			(one) => `${nameOf(one)} failed and was rolled back: ${one.reason}`,
		),
		...listIn("failed").map(
			(one) => `${nameOf(one)} failed and was not rolled back: ${one.reason}`,
		),
		`${listIn("succeeded").length} were upgraded.`,
		untouched.length === 0
			? ""
			: `Not touched: ${untouched.map(nameOf).join(", ")}.`,
	];
	return sentences.filter((sentence) => sentence !== "").join(" ");
}

const nameOf = ({ name, tenant }: RolloutMember): string =>
	`${name} of ${tenant}`;

async function goOn(
	context: FleetContext,
	{
		rollout,
		members,
		now,
	}: {
		readonly rollout: Rollout;
		readonly members: readonly RolloutMember[];
		readonly now: Date;
	},
): Promise<boolean> {
	const { id, maxConcurrent, pauseSeconds } = rollout;
	const next = members.find(({ state }) => state === "waiting");
	const underWay = members.filter(isUnderWay).length;
	if (next === undefined) {
		if (underWay > 0) return false;
		const skipped = members.filter(({ state }) => state === "skipped").length;
		await moveRollout(context.db, id, {
			state: "succeeded",
			reason: `${members.length - skipped} were upgraded, ${skipped} skipped.`,
			isEnd: true,
		});
		return false;
	}
	if (underWay >= maxConcurrent) return false;
	const begun = members.filter(
		({ state }) => state !== "waiting" && state !== "skipped",
	).length;
	const isBehindWave =
		pauseSeconds !== null && !rollout.hasPaused && begun >= maxConcurrent;
	if (isBehindWave && underWay > 0) return false;
	if (isBehindWave) {
		await moveRollout(context.db, id, {
			state: "paused",
			reason: `The first wave has ended: ${begun} were upgraded.`,
			hasPaused: true,
			resumesInSeconds: pauseSeconds === 0 ? null : pauseSeconds,
		});
		return false;
	}
	if (!isOpen(rollout.window, now)) return false;
	await moveMember(
		context.db,
		{ rollout: id, ordinal: next.ordinal },
		await orderMember(context, rollout, next),
	);
	return true;
}

async function load(
	db: Db,
	id: RolloutMember["operation"],
): Promise<Operation> {
	const found =
		id === null ? undefined : await findOperation(db, id, undefined);
	if (found === undefined) throw new Error(`the operation ${id} is gone`);
	return found;
}
