// What workers say of themselves. Whoever was not heard of for a while is gone, without having said so.
import { sql } from "kysely";
import { workerLostMs } from "../domain/queue.ts";
import type { Db } from "./db.ts";

export interface WorkerReport {
	/** Host and process, as in its leases. */
	readonly name: string;
	/** How many operations it can work on at a time. */
	readonly slots: number;
	readonly isShortOfMemory: boolean;
}

export async function saveWorkerReport(
	db: Db,
	report: WorkerReport,
): Promise<void> {
	const content = {
		slots: report.slots,
		is_short_of_memory: report.isShortOfMemory,
		seen_at: sql<Date>`now()`,
	};
	await db
		.insertInto("workers")
		.values({ name: report.name, ...content })
		.onConflict((oc) => oc.column("name").doUpdateSet(content))
		.execute();
	await db
		.deleteFrom("workers")
		.where(
			sql<boolean>`seen_at < now() - make_interval(secs => ${workerLostMs / 1000})`,
		)
		.execute();
}

export async function deleteWorkerReport(db: Db, name: string): Promise<void> {
	await db.deleteFrom("workers").where("name", "=", name).execute();
}
