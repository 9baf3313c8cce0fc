// Records of backups. One is there as long as its time is not over and nothing took it before.
import { sql } from "kysely";
import { decideExpiry, type KeptBackup } from "../domain/backup.ts";
import {
	type BackupId,
	createBackupId,
	type EnvironmentId,
	type OperationId,
	type TenantId,
} from "../domain/ids.ts";
import type { Db } from "./db.ts";
import { type PageRequest, readPage } from "./page.ts";

const selectBackups = (db: Db) => db.selectFrom("backups").selectAll();

const isThere = sql<boolean>`gone_at is null and expires_at > now()`;

type Row = Awaited<
	ReturnType<ReturnType<typeof selectBackups>["executeTakeFirstOrThrow"]>
>;

const toBackup = (row: Row): KeptBackup => ({
	id: row.id,
	environment: row.environment_id,
	operation: row.operation_id,
	revision: row.revision,
	release: row.release,
	reason: row.reason,
	place: row.place,
	name: row.name,
	takenAt: row.taken_at,
	bytes: row.bytes,
	parts: row.parts,
	oplog: row.oplog,
	sha256: row.sha256,
	expiresAt: row.expires_at,
	createdAt: row.created_at,
});

/** In the transaction of the owner that made it. */
export async function recordBackup(
	db: Db,
	backup: Omit<KeptBackup, "id" | "createdAt" | "expiresAt"> & {
		readonly retentionDays: number;
	},
): Promise<KeptBackup> {
	const row = await db
		.insertInto("backups")
		.values({
			id: createBackupId(),
			environment_id: backup.environment,
			operation_id: backup.operation,
			revision: backup.revision,
			release: backup.release,
			reason: backup.reason,
			place: backup.place,
			name: backup.name,
			taken_at: backup.takenAt,
			bytes: backup.bytes,
			parts: backup.parts,
			oplog: backup.oplog,
			sha256: backup.sha256,
			expires_at: decideExpiry(backup.takenAt, backup.retentionDays),
		})
		.returningAll()
		.executeTakeFirstOrThrow();
	return toBackup(row);
}

/** Those that are there, newest first. */
export async function listBackups(
	db: Db,
	environment: EnvironmentId,
	page: PageRequest,
): Promise<KeptBackup[]> {
	const query = selectBackups(db)
		.where("environment_id", "=", environment)
		.where(isThere);
	return (await readPage(query, page).execute()).map(toBackup);
}

/** One that is there, of whatever environment of this tenant. */
export async function findBackup(
	db: Db,
	id: string,
	tenant: TenantId,
): Promise<KeptBackup | undefined> {
	const row = await selectBackups(db)
		.where("id", "=", id as BackupId)
		.where(
			"environment_id",
			"in",
			db
				.selectFrom("environments")
				.select("id")
				.where("tenant_id", "=", tenant),
		)
		.where(isThere)
		.executeTakeFirst();
	return row && toBackup(row);
}

/** The newest that is there of those that an operation made before it left this revision. */
export async function findBackupBefore(
	db: Db,
	environment: EnvironmentId,
	revision: number,
): Promise<KeptBackup | undefined> {
	const row = await selectBackups(db)
		.where("environment_id", "=", environment)
		.where("revision", "=", revision)
		.where("reason", "<>", "on_demand")
		.where(isThere)
		.orderBy("created_at", "desc")
		.orderBy("id", "desc")
		.limit(1)
		.executeTakeFirst();
	return row && toBackup(row);
}

/** The one that this operation made, whether it is there still or not. */
export async function findBackupBy(
	db: Db,
	operation: OperationId,
): Promise<KeptBackup | undefined> {
	const row = await selectBackups(db)
		.where("operation_id", "=", operation)
		.executeTakeFirst();
	return row && toBackup(row);
}

/** By id, also one that is not there any more. */
export async function loadBackup(db: Db, id: BackupId): Promise<KeptBackup> {
	const row = await selectBackups(db)
		.where("id", "=", id)
		.executeTakeFirstOrThrow();
	return toBackup(row);
}

/** What a revision that was applied makes of the backups that are there: how long they stay, and whether they do at all. */
export async function keepBackups(
	db: Db,
	environment: EnvironmentId,
	keeping: {
		readonly retentionDays: number;
		readonly place: KeptBackup["place"];
	},
): Promise<void> {
	await db
		.updateTable("backups")
		.set({
			expires_at: sql<Date>`taken_at + make_interval(hours => ${keeping.retentionDays * 24})`,
			gone_at: sql<Date>`case when place <> ${keeping.place} then now() end`,
		})
		.where("environment_id", "=", environment)
		.where(isThere)
		.execute();
}

/** Those in these places went with the environment. */
export async function markGone(
	db: Db,
	environment: EnvironmentId,
	places: readonly KeptBackup["place"][],
): Promise<void> {
	await db
		.updateTable("backups")
		.set({ gone_at: sql<Date>`now()` })
		.where("environment_id", "=", environment)
		.where("place", "in", places)
		.where("gone_at", "is", null)
		.execute();
}
