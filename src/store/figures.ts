// The whole service in a few figures: what waits and what runs, by indexes that hold nothing else.
import { sql } from "kysely";
import type { Figures } from "../domain/figures.ts";
import { workerLostMs } from "../domain/queue.ts";
import type { Db } from "./db.ts";

/** Gives up after `withinMs`, on the database's side too. */
export async function readFigures(db: Db, withinMs: number): Promise<Figures> {
	const { rows } = await db.transaction().execute(async (trx) => {
		await sql`select set_config('statement_timeout', ${`${withinMs}ms`}, true)`.execute(
			trx,
		);
		return sql<Figures>`
			with open as (
				select kind, state, count(*) as count,
					max(extract(epoch from now() - coalesce(approved_at, created_at))) filter (where state = 'queued') as age
				from operations where finished_at is null group by kind, state
			)
			select
				(select coalesce(json_agg(json_build_object('kind', kind, 'state', state, 'count', count)), '[]') from open) as open,
				(select json_build_object('depth', coalesce(sum(count) filter (where state = 'queued'), 0),
					'oldestSeconds', coalesce(greatest(0, max(age)), 0)) from open) as queue,
				(select coalesce(sum(slots), 0) from workers
					where seen_at > now() - make_interval(secs => ${workerLostMs / 1000})) as "workerSlots",
				(select json_build_object('lanes', count(*),
					'failingSeconds', coalesce(max(extract(epoch from now() - w.failing_since)), 0))
					from webhook_lanes lane join webhooks w on w.id = lane.webhook_id
					where lane.due_at is not null and w.is_active and w.deleted_at is null) as webhooks`.execute(
			trx,
		);
	});
	const [figures] = rows;
	if (figures === undefined) throw new Error("a select without a row");
	return figures;
}
