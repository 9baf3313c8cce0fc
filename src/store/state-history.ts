// Updates that count: started, not previews.
import type { Db } from "./db.ts";
import {
	type UpdateKind,
	type UpdateState,
	withState,
} from "./state-tables.ts";

export interface PastUpdate {
	readonly kind: UpdateKind;
	readonly state: UpdateState;
	readonly version: number;
	readonly startedAt: Date;
	readonly finishedAt: Date | null;
	readonly message: string;
	/** JSON texts. */
	readonly environment: string;
	readonly config: string;
	readonly resourceChanges: string | null;
}

/** Newest first, without previews and without what was never started. */
export async function listUpdates(
	db: Db,
	stack: number,
	page: { readonly limit: number; readonly offset: number },
): Promise<PastUpdate[]> {
	const rows = await withState(db)
		.selectFrom("updates")
		.selectAll()
		.where("stack_id", "=", stack)
		.where("version", "is not", null)
		.orderBy("version", "desc")
		.limit(page.limit)
		.offset(page.offset)
		.execute();
	return rows.map((row) => ({
		kind: row.kind,
		state: row.state,
		version: row.version ?? 0,
		startedAt: row.started_at ?? row.created_at,
		finishedAt: row.finished_at,
		message: row.message,
		environment: row.environment,
		config: row.config,
		resourceChanges: row.resource_changes,
	}));
}
