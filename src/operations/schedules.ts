// Follows schedules: orders that environments sleep and wake when their time has come. Once for each transition, however
// many processes look: its row is locked and moved on in the transaction of the order. Between two transitions nothing is
// done, so what somebody orders meanwhile holds.
import type { EnvironmentId } from "../domain/ids.ts";
import type { Operation } from "../domain/operation.ts";
import {
	findNextTransition,
	isAsleepAt,
	type Schedule,
} from "../domain/schedule.ts";
import { Failure } from "../failure.ts";
import type { Log } from "../log.ts";
import type { Db } from "../store/db.ts";
import {
	loadEnvironment,
	type PlannedSchedule,
} from "../store/environments.ts";
import { appendEvents } from "../store/events.ts";
import { readClock } from "../store/operations.ts";
import {
	listDueSchedules,
	saveTransition,
	takeDueSchedule,
} from "../store/schedules.ts";
import { changeLocked, type PowerKind } from "./power.ts";
import { isUnneeded, nudge, type VerbContext } from "./request.ts";

const batch = 200;
const actor = { name: "schedule" };

export interface ScheduleContext extends VerbContext {
	readonly log: Log;
}

/** A schedule that is followed from its first transition after now on. */
export const planSchedule = (
	schedule: Schedule,
	now: Date,
): PlannedSchedule => ({
	schedule,
	transition: findNextTransition(schedule, now),
});

/** One pass, by the database's clock if no time is given. Returns how many operations were ordered. */
export async function followSchedules(
	context: ScheduleContext,
	time?: Date,
): Promise<number> {
	const now = time ?? (await readClock(context.db));
	const due = await listDueSchedules(context.db, { now, limit: batch });
	let count = 0;
	for (const id of due) {
		try {
			const ordered = await follow(context, id, now);
			if (ordered === undefined) continue;
			nudge(context, ordered);
			count += 1;
		} catch (error) {
			// One that cannot be followed must not keep the others awake.
			context.log.error(
				{ err: error, environment: id },
				"a schedule could not be followed",
			);
		}
	}
	return count;
}

async function follow(
	context: ScheduleContext,
	id: EnvironmentId,
	now: Date,
): Promise<Operation | undefined> {
	return context.db.transaction().execute(async (trx) => {
		const schedule = await takeDueSchedule(trx, id, now);
		if (schedule === undefined) return undefined;
		// What is right now, and not what was when the time had come: it may have had to wait beyond the next one.
		const kind = isAsleepAt(schedule, now) ? "hibernate" : "wake";
		const outcome = await tryToOrder({ ...context, db: trx }, id, kind);
		if (outcome === "waits") return undefined;
		await saveTransition(trx, id, findNextTransition(schedule, now));
		return outcome;
	});
}

/** What was refused has written nothing, or it was taken back. */
async function tryToOrder(
	context: VerbContext,
	id: EnvironmentId,
	kind: PowerKind,
): Promise<Operation | "waits" | undefined> {
	try {
		const answer = await changeLocked(context, actor, {
			environment: { id },
			kind,
		});
		return isUnneeded(answer) ? undefined : answer;
	} catch (error) {
		if (!(error instanceof Failure)) throw error;
		// It is tried again at the next time to wake.
		const isOverQuota = error.code === "quota_exceeded";
		if (error.code !== "conflict" && !isOverQuota) throw error;
		if (!isOverQuota && !(await isAtRest(context.db, id))) return "waits";
		await appendEvents(context.db, { environment: id, operation: null }, [
			{ type: "schedule.skipped", data: { kind, reason: error.message } },
		]);
		return undefined;
	}
}

/** Whether nothing that goes on will make it another soon. */
async function isAtRest(db: Db, id: EnvironmentId): Promise<boolean> {
	const { lifecycle } = await loadEnvironment(db, id);
	return (
		lifecycle === "ready" ||
		lifecycle === "hibernated" ||
		lifecycle === "failed"
	);
}
