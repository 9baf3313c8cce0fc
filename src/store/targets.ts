import { sql } from "kysely";
import { createTargetId, type TargetId } from "../domain/ids.ts";
import {
	type Target,
	type TargetSettings,
	targetSettings,
} from "../domain/target.ts";
import type { Db } from "./db.ts";

const columns = [
	"id",
	"name",
	"domain",
	"ingress_class",
	"storage_class",
	"settings",
	"is_default",
	"created_at",
] as const;

interface Row {
	id: TargetId;
	name: string;
	domain: string;
	ingress_class: string | null;
	storage_class: string | null;
	settings: Partial<TargetSettings>;
	is_default: boolean;
	created_at: Date;
}

const toTarget = (row: Row): Target => ({
	id: row.id,
	name: row.name,
	domain: row.domain,
	ingressClass: row.ingress_class,
	storageClass: row.storage_class,
	settings: targetSettings.parse(row.settings),
	isDefault: row.is_default,
	createdAt: row.created_at,
});

/** How a target is reached, and its images. All but the identifier is sealed. */
export interface TargetAccess {
	readonly kubeconfig: Buffer;
	readonly pullSecret: Buffer | null;
	/** Region and credentials of its AWS account, as JSON; null: it has none. */
	readonly aws: Buffer | null;
	readonly clusterIdentifier: string;
}

/** The oldest target's kubeconfig, which is sealed. */
export async function findSealedTarget(
	db: Db,
): Promise<{ name: string; kubeconfig: Buffer } | undefined> {
	return db
		.selectFrom("targets")
		.select(["name", "kubeconfig"])
		.orderBy("created_at")
		.executeTakeFirst();
}

/** Makes the target, or brings the one of this name up to date. The first target is the default one. */
export async function saveTarget(
	db: Db,
	target: Omit<Target, "id" | "isDefault" | "createdAt"> & TargetAccess,
): Promise<Target> {
	const content = {
		kubeconfig: target.kubeconfig,
		pull_secret: target.pullSecret,
		aws: target.aws,
		cluster_identifier: target.clusterIdentifier,
		domain: target.domain,
		ingress_class: target.ingressClass,
		storage_class: target.storageClass,
		settings: JSON.stringify(target.settings),
	};
	const row = await db
		.insertInto("targets")
		.values({
			id: createTargetId(),
			name: target.name,
			...content,
			is_default: sql<boolean>`not exists (select from targets where is_default)`,
		})
		.onConflict((oc) => oc.column("name").doUpdateSet(content))
		.returning(columns)
		.executeTakeFirstOrThrow();
	return toTarget(row);
}

/** By name, or the default one. */
export async function findTarget(
	db: Db,
	name: string | undefined,
): Promise<Target | undefined> {
	const query = db.selectFrom("targets").select(columns);
	const row = await (name === undefined
		? query.where("is_default", "=", true)
		: query.where("name", "=", name)
	).executeTakeFirst();
	return row && toTarget(row);
}

export async function listTargets(db: Db): Promise<Target[]> {
	const rows = await db
		.selectFrom("targets")
		.select(columns)
		.orderBy("name")
		.execute();
	return rows.map(toTarget);
}

export async function loadTargetAccess(
	db: Db,
	id: TargetId,
): Promise<TargetAccess> {
	const row = await db
		.selectFrom("targets")
		.select(["kubeconfig", "pull_secret", "aws", "cluster_identifier"])
		.where("id", "=", id)
		.executeTakeFirstOrThrow();
	return {
		kubeconfig: row.kubeconfig,
		pullSecret: row.pull_secret,
		aws: row.aws,
		clusterIdentifier: row.cluster_identifier,
	};
}

export async function loadTarget(db: Db, id: TargetId): Promise<Target> {
	const row = await db
		.selectFrom("targets")
		.select(columns)
		.where("id", "=", id)
		.executeTakeFirstOrThrow();
	return toTarget(row);
}
