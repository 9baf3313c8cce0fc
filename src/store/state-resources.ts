// What the newest states of environments name. The database reads the states itself: they are large, and whoever asks
// answers others meanwhile.
import { sql } from "kysely";
import type { EnvironmentId } from "../domain/ids.ts";
import type { StateResource } from "../domain/leftover.ts";
import type { Db } from "./db.ts";

/** Of each environment that has a state; without what the engine is about to delete. */
export async function listStateResources(
	db: Db,
	environments: readonly EnvironmentId[],
): Promise<Map<EnvironmentId, readonly StateResource[]>> {
	if (environments.length === 0) return new Map();
	const { rows } = await sql<{
		environment: EnvironmentId;
		resources: StateResource[] | null;
	}>`
		select s.environment_id as environment,
			(select json_agg(json_build_object('type', r ->> 'type', 'id', r ->> 'id'))
			 from json_array_elements(
				case json_typeof(c.deployment::json -> 'resources')
					when 'array' then c.deployment::json -> 'resources' end) r
			 where r ->> 'delete' is distinct from 'true') as resources
		from stacks s
		join lateral (
			select deployment from checkpoints
			where stack_id = s.id order by version desc limit 1
		) c on true
		where s.environment_id in (${sql.join(environments)})`.execute(db);
	const found = new Map<EnvironmentId, readonly StateResource[]>();
	for (const { environment, resources } of rows) {
		found.set(environment, [
			...(found.get(environment) ?? []),
			...(resources ?? []),
		]);
	}
	return found;
}
