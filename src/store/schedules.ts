// Which environments are to fall asleep or to wake by themselves.
import { sql } from "kysely";
import type { EnvironmentId } from "../domain/ids.ts";
import type { Schedule, Transition } from "../domain/schedule.ts";
import type { Db } from "./db.ts";

// Word for word the condition of the index.
const lives = sql<boolean>`transition_at is not null and lifecycle not in ('destroying', 'destroyed')`;

/** Those whose transition has come, the longest due first. */
export async function listDueSchedules(
	db: Db,
	request: { readonly now: Date; readonly limit: number },
): Promise<EnvironmentId[]> {
	const rows = await db
		.selectFrom("environments")
		.select("id")
		.where(lives)
		.where("transition_at", "<=", request.now)
		.orderBy("transition_at")
		.limit(request.limit)
		.execute();
	return rows.map(({ id }) => id);
}

/**
 * The schedule of one whose transition has come, its row locked until the transaction ends. Undefined when another
 * process follows it just now, or has done so.
 */
export async function takeDueSchedule(
	db: Db,
	id: EnvironmentId,
	now: Date,
): Promise<Schedule | undefined> {
	const row = await db
		.selectFrom("environments")
		.select("schedule")
		.where("id", "=", id)
		.where(lives)
		.where("transition_at", "<=", now)
		.forUpdate()
		.skipLocked()
		.executeTakeFirst();
	return row?.schedule ?? undefined;
}

export async function saveTransition(
	db: Db,
	id: EnvironmentId,
	{ at, to }: Transition,
): Promise<void> {
	await db
		.updateTable("environments")
		.set({ transition_at: at, transition_to: to })
		.where("id", "=", id)
		.execute();
}
