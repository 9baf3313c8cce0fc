import { sql } from "kysely";
import type { EnvironmentId, OperationId, RolloutId } from "../domain/ids.ts";
import type { Operation } from "../domain/operation.ts";
import type {
	MemberState,
	Rollout,
	RolloutMember,
	RolloutSelector,
	RolloutState,
	RolloutWindow,
} from "../domain/rollout.ts";
import type { Db } from "./db.ts";
import { toOperation } from "./operations.ts";
import { type PageRequest, readPage } from "./page.ts";

const selectRollouts = (db: Db) => db.selectFrom("rollouts").selectAll();

type Row = Awaited<
	ReturnType<ReturnType<typeof selectRollouts>["executeTakeFirstOrThrow"]>
>;

const toRollout = (row: Row): Rollout => ({
	id: row.id,
	release: row.release,
	selector: row.selector,
	maxConcurrent: row.max_concurrent,
	pauseSeconds: row.pause_seconds,
	window: row.time_window,
	state: row.state,
	requestedBy: row.requested_by,
	abortedBy: row.aborted_by,
	hasPaused: row.has_paused,
	resumesAt: row.resumes_at,
	timeline: row.timeline,
	createdAt: row.created_at,
	finishedAt: row.finished_at,
});

export interface NewRollout {
	readonly id: RolloutId;
	readonly release: string;
	readonly selector: RolloutSelector;
	readonly maxConcurrent: number;
	readonly pauseSeconds: number | null;
	readonly window: RolloutWindow | null;
	readonly requestedBy: string;
}

/** With its members: those of the selection that live now, the oldest first. Returns how many there are. */
export async function createRollout(
	db: Db,
	rollout: NewRollout,
): Promise<number> {
	await db
		.insertInto("rollouts")
		.values({
			id: rollout.id,
			release: rollout.release,
			selector: JSON.stringify(rollout.selector),
			max_concurrent: rollout.maxConcurrent,
			pause_seconds: rollout.pauseSeconds,
			time_window: rollout.window && JSON.stringify(rollout.window),
			state: "running",
			requested_by: rollout.requestedBy,
		})
		.execute();
	await moveRollout(db, rollout.id, { state: "running", reason: null });
	const { labels, tenant, size, target, names } = rollout.selector;
	const { numAffectedRows } = await sql`
		insert into rollout_members (rollout_id, ordinal, environment_id, state)
		select ${rollout.id}, row_number() over (order by e.created_at, e.id), e.id, 'waiting'
		from environments e
		join tenants t on t.id = e.tenant_id
		join targets g on g.id = e.target_id
		join revisions r on r.environment_id = e.id and r.number = e.desired_revision
		where e.lifecycle <> 'destroyed'
			and e.labels @> ${JSON.stringify(labels ?? {})}::jsonb
			and (${tenant ?? null}::text is null or t.name = ${tenant ?? null})
			and (${target ?? null}::text is null or g.name = ${target ?? null})
			and (${size ?? null}::text is null or r.size = ${size ?? null})
			and (${names ?? null}::text[] is null or e.name = any(${names ?? null}))`.execute(
		db,
	);
	return Number(numAffectedRows ?? 0);
}

export async function findRollout(
	db: Db,
	id: string,
): Promise<Rollout | undefined> {
	const row = await selectRollouts(db)
		.where("id", "=", id as RolloutId)
		.executeTakeFirst();
	return row && toRollout(row);
}

/** Newest first. */
export async function listRollouts(
	db: Db,
	page: PageRequest,
): Promise<Rollout[]> {
	const query = selectRollouts(db);
	const rows = await readPage(query, page).execute();
	return rows.map(toRollout);
}

/** Those that somebody has to go on with, the oldest first. */
export async function listOpenRollouts(db: Db): Promise<RolloutId[]> {
	const rows = await db
		.selectFrom("rollouts")
		.select("id")
		.where("finished_at", "is", null)
		.orderBy("created_at")
		.execute();
	return rows.map(({ id }) => id);
}

/** Locked until the transaction ends; undefined when it has ended, or `skipsLocked` and somebody else goes on with it. */
export async function lockRollout(
	db: Db,
	id: RolloutId,
	options: { readonly skipsLocked: boolean },
): Promise<Rollout | undefined> {
	const query = selectRollouts(db)
		.where("id", "=", id)
		.where("finished_at", "is", null)
		.forUpdate();
	const row = await (options.skipsLocked
		? query.skipLocked()
		: query
	).executeTakeFirst();
	return row && toRollout(row);
}

/** The next state, and a line of the timeline. */
export async function moveRollout(
	db: Db,
	id: RolloutId,
	change: {
		readonly state: RolloutState;
		readonly reason: string | null;
		readonly abortedBy?: string;
		readonly hasPaused?: true;
		/** null: not by itself. */
		readonly resumesInSeconds?: number | null;
		readonly isEnd?: true;
	},
): Promise<void> {
	const { state, reason, abortedBy, hasPaused, resumesInSeconds } = change;
	await db
		.updateTable("rollouts")
		.set({
			state,
			timeline: sql<string>`timeline || jsonb_build_object('state', ${state}::text, 'reason', ${reason}::text,
				'at', to_char(clock_timestamp() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))`,
			resumes_at:
				resumesInSeconds == null
					? null
					: sql<Date>`now() + make_interval(secs => ${resumesInSeconds})`,
			...(abortedBy !== undefined && { aborted_by: abortedBy }),
			...(hasPaused && { has_paused: true }),
			...(change.isEnd && { finished_at: sql<Date>`now()` }),
		})
		.where("id", "=", id)
		.execute();
}

export async function listMembers(
	db: Db,
	rollout: RolloutId,
): Promise<RolloutMember[]> {
	const rows = await db
		.selectFrom("rollout_members as m")
		.innerJoin("environments as e", "e.id", "m.environment_id")
		.innerJoin("tenants as t", "t.id", "e.tenant_id")
		.selectAll("m")
		.select(["e.name", "t.name as tenant"])
		.where("m.rollout_id", "=", rollout)
		.orderBy("m.ordinal")
		.execute();
	return rows.map((row) => ({
		ordinal: row.ordinal,
		environment: row.environment_id,
		name: row.name,
		tenant: row.tenant,
		state: row.state,
		operation: row.operation_id,
		rollback: row.rollback_id,
		reason: row.reason,
	}));
}

/** How many members of each roll-out are in each state. */
export async function countMembers(
	db: Db,
	rollouts: readonly RolloutId[],
): Promise<Map<RolloutId, Partial<Record<MemberState, number>>>> {
	if (rollouts.length === 0) return new Map();
	const rows = await db
		.selectFrom("rollout_members")
		.select(["rollout_id", "state", sql<number>`count(*)`.as("count")])
		.where("rollout_id", "in", rollouts)
		.groupBy(["rollout_id", "state"])
		.execute();
	const counts = new Map<RolloutId, Partial<Record<MemberState, number>>>();
	for (const { rollout_id, state, count } of rows)
		counts.set(rollout_id, { ...counts.get(rollout_id), [state]: count });
	return counts;
}

export async function moveMember(
	db: Db,
	member: { readonly rollout: RolloutId; readonly ordinal: number },
	change: {
		readonly state: MemberState;
		readonly reason?: string;
		readonly operation?: OperationId;
		readonly rollback?: OperationId;
	},
): Promise<void> {
	const { state, reason, operation, rollback } = change;
	await db
		.updateTable("rollout_members")
		.set({
			state,
			...(reason !== undefined && { reason }),
			...(operation !== undefined && { operation_id: operation }),
			...(rollback !== undefined && { rollback_id: rollback }),
		})
		.where("rollout_id", "=", member.rollout)
		.where("ordinal", "=", member.ordinal)
		.execute();
}

/** All that wait for their turn will not have one. */
export async function releaseWaiting(
	db: Db,
	rollout: RolloutId,
): Promise<number> {
	const { numUpdatedRows } = await db
		.updateTable("rollout_members")
		.set({ state: "untouched" })
		.where("rollout_id", "=", rollout)
		.where("state", "=", "waiting")
		.executeTakeFirst();
	return Number(numUpdatedRows);
}

/** The rollback that the failure of this operation made the service order. */
export async function findCausedRollback(
	db: Db,
	environment: EnvironmentId,
	cause: OperationId,
): Promise<Operation | undefined> {
	const row = await db
		.selectFrom("operations")
		.selectAll()
		.where("environment_id", "=", environment)
		.where("caused_by", "=", cause)
		.where(sql<boolean>`kind = 'rollback'`)
		.orderBy("sequence")
		.executeTakeFirst();
	return row && toOperation(row);
}
