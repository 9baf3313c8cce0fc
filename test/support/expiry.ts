// Lets time pass for environments, by moving what was written of it in the database.
import { sql } from "kysely";
import type { Environment } from "../../src/domain/environment.ts";
import type { EventData } from "../../src/domain/event.ts";
import type { Db } from "../../src/store/db.ts";
import { listEvents } from "../../src/store/events.ts";

/** As if all that was written of this environment's time had been written so many seconds ago. */
export async function letPass(
	db: Db,
	{ id }: Pick<Environment, "id">,
	seconds: number,
): Promise<void> {
	const ago = sql`make_interval(secs => ${seconds})`;
	await sql`
		with operation as (
			update operations set finished_at = finished_at - ${ago}
			where environment_id = ${id} and finished_at is not null
		)
		update environments set expires_at = expires_at - ${ago}, notice_at = notice_at - ${ago} where id = ${id}`.execute(
		db,
	);
}

const told = [
	"environment.expiring",
	"environment.expired",
	"environment.extended",
	"expiry.postponed",
] as const;

/** What was told of an environment's time, in order; of a warning the minutes that were left, rounded up. */
export async function readNotices(
	db: Db,
	{ id }: Pick<Environment, "id">,
): Promise<string[]> {
	const events = await listEvents(
		db,
		{ environment: id },
		{ after: 0, limit: 1_000 },
	);
	return events
		.filter(({ type }) => (told as readonly string[]).includes(type))
		.map(({ type, data }) => {
			if (type !== "environment.expiring") return type;
			const { leftMs } = data as EventData["environment.expiring"];
			return `expiring in ${Math.ceil(leftMs / 60_000)} m`;
		});
}
