// A backup that an operation made, as the service keeps its record; the data are where the environment keeps them.
import type { Backup } from "./cluster.ts";
import type { BackupId, EnvironmentId, OperationId } from "./ids.ts";
import type { OperationKind } from "./operation.ts";

export const backupReasons = [
	"on_demand",
	"before_upgrade",
	"before_rollback",
	"before_restore",
	"before_destroy",
] as const;
export type BackupReason = (typeof backupReasons)[number];

/** A claim in the environment's namespace, or a bucket of its own. */
export const backupPlaces = ["claim", "bucket"] as const;
export type BackupPlace = (typeof backupPlaces)[number];

export interface KeptBackup extends Omit<Backup, "takenAt"> {
	readonly id: BackupId;
	readonly environment: EnvironmentId;
	/** The one that made it. */
	readonly operation: OperationId;
	/** What ran when it was taken. */
	readonly revision: number;
	readonly release: string;
	readonly reason: BackupReason;
	readonly place: BackupPlace;
	/** By the clock of the cluster's node. */
	readonly takenAt: Date;
	/** After that it may be deleted where it is kept, and is not listed any more. */
	readonly expiresAt: Date;
	readonly createdAt: Date;
}

const reasons: Readonly<Partial<Record<OperationKind, BackupReason>>> = {
	backup: "on_demand",
	upgrade: "before_upgrade",
	rollback: "before_rollback",
	restore: "before_restore",
	destroy: "before_destroy",
};

/** Why an operation of this kind makes a backup. Throws for a kind that makes none. */
export function decideReason(kind: OperationKind): BackupReason {
	const reason = reasons[kind];
	if (reason === undefined) throw new Error(`a ${kind} makes no backup`);
	return reason;
}

const dayMs = 24 * 60 * 60 * 1_000;

/**
 * Until when a backup is kept for sure. A claim's is deleted by the first backup after that (`find -mtime`), a bucket's by
 * the bucket's own rule within a day.
 */
export const decideExpiry = (takenAt: Date, retentionDays: number): Date =>
	new Date(takenAt.getTime() + retentionDays * dayMs);

/** Part of the names of the Jobs that an operation runs once, however often it is begun: a DNS label. */
export const decideRun = (operation: OperationId): string =>
	operation.slice("op_".length);
