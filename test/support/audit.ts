import { sql } from "kysely";
import type { Db } from "../../src/store/db.ts";

/** What the service did to an environment by itself, by the audit log: action, for whom, and the operation; oldest first. */
export async function readOwnActs(
	db: Db,
	environment: string,
): Promise<(readonly [string, string, string | null])[]> {
	const { rows } = await sql<{
		action: string;
		actor_name: string;
		operation_id: string | null;
	}>`
		select action, actor_name, operation_id from audit
		where environment_id = ${environment} and actor_kind = 'service' order by id`.execute(
		db,
	);
	return rows.map(
		({ action, actor_name, operation_id }) =>
			[action, actor_name, operation_id] as const,
	);
}
