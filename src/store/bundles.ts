import { sql } from "kysely";
import type { BlueprintVersion } from "../domain/blueprint.ts";
import type { Bundle } from "../domain/bundle.ts";
import type { EnvironmentId } from "../domain/ids.ts";
import type { Db } from "./db.ts";

/** Keeps the code, once, and gives the version its digest, if it has none yet. Returns the digest that it has. */
export async function saveBlueprint(
	db: Db,
	{ name, version }: BlueprintVersion,
	bundle: Bundle,
): Promise<string> {
	await db
		.insertInto("bundles")
		.values({ digest: bundle.digest, content: bundle.content })
		.onConflict((oc) => oc.doNothing())
		.execute();
	await db
		.insertInto("blueprints")
		.values({ name, version, digest: bundle.digest })
		.onConflict((oc) => oc.doNothing())
		.execute();
	const row = await db
		.selectFrom("blueprints")
		.select("digest")
		.where("name", "=", name)
		.where("version", "=", version)
		.executeTakeFirstOrThrow();
	return row.digest;
}

export async function loadBundle(db: Db, digest: string): Promise<Bundle> {
	return db
		.selectFrom("bundles")
		.select(["digest", "content"])
		.where("digest", "=", digest)
		.executeTakeFirstOrThrow();
}

/** Whether the code of that digest is kept. */
export async function hasBundle(db: Db, digest: string): Promise<boolean> {
	const row = await db
		.selectFrom("bundles")
		.select("digest")
		.where("digest", "=", digest)
		.executeTakeFirst();
	return row !== undefined;
}

/** The digest that a version has; undefined where no code of it was ever kept. */
export async function findDigest(
	db: Db,
	{ name, version }: BlueprintVersion,
): Promise<string | undefined> {
	const row = await db
		.selectFrom("blueprints")
		.select("digest")
		.where("name", "=", name)
		.where("version", "=", version)
		.executeTakeFirst();
	return row?.digest;
}

/** The digest of a version of the environment's blueprint, to be written into a new revision; null where it is not known. */
export const selectDigest = (environment: EnvironmentId, version: string) =>
	sql<
		string | null
	>`(select b.digest from blueprints b join environments e on e.blueprint = b.name where e.id = ${environment} and b.version = ${version})`;
