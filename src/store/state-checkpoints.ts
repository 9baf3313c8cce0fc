// The finished states of a stack, by version.
import type { Db } from "./db.ts";
import { withState } from "./state-tables.ts";

/** A state as it is kept: its deployment is JSON text. */
export interface KeptState {
	readonly schemaVersion: number;
	readonly features: readonly string[];
	readonly deployment: string;
}

export async function createCheckpoint(
	db: Db,
	checkpoint: KeptState & {
		readonly stack: number;
		readonly version: number;
		readonly resourceCount: number;
	},
): Promise<void> {
	await withState(db)
		.insertInto("checkpoints")
		.values({
			stack_id: checkpoint.stack,
			version: checkpoint.version,
			schema_version: checkpoint.schemaVersion,
			features: JSON.stringify(checkpoint.features),
			deployment: checkpoint.deployment,
			resource_count: checkpoint.resourceCount,
		})
		.execute();
}

/** The newest state, or that of one version. */
export async function findCheckpoint(
	db: Db,
	stack: number,
	version?: number,
): Promise<
	| (KeptState & { readonly version: number; readonly resourceCount: number })
	| undefined
> {
	let query = withState(db)
		.selectFrom("checkpoints")
		.selectAll()
		.where("stack_id", "=", stack)
		.orderBy("version", "desc")
		.limit(1);
	if (version !== undefined) query = query.where("version", "=", version);
	const row = await query.executeTakeFirst();
	return (
		row && {
			version: row.version,
			schemaVersion: row.schema_version,
			features: row.features,
			deployment: row.deployment,
			resourceCount: row.resource_count,
		}
	);
}
