import type { Release } from "../domain/release.ts";
import { Failure } from "../failure.ts";
import { type Db, violatedIndex } from "./db.ts";

export interface StoredRelease extends Release {
	readonly createdAt: Date;
}

/** Throws `conflict` when the name is taken: a release is never changed once it is known. */
export async function createRelease(
	db: Db,
	release: Release,
): Promise<StoredRelease> {
	try {
		const row = await db
			.insertInto("releases")
			.values({ name: release.name, images: JSON.stringify(release.images) })
			.returning("created_at")
			.executeTakeFirstOrThrow();
		return { ...release, createdAt: row.created_at };
	} catch (error) {
		if (violatedIndex(error) === undefined) throw error;
		throw new Failure({
			code: "conflict",
			message: `There is a release named "${release.name}" already.`,
			untouched: "The release that has the name was not changed.",
			advice: "A release is never changed. Give the new one a name of its own.",
			errors: [{ pointer: "/name", message: "is taken" }],
		});
	}
}

/** Adds those that are missing. */
export async function ensureReleases(
	db: Db,
	releases: readonly Release[],
): Promise<void> {
	await db
		.insertInto("releases")
		.values(
			releases.map(({ name, images }) => ({
				name,
				images: JSON.stringify(images),
			})),
		)
		.onConflict((oc) => oc.doNothing())
		.execute();
}

export async function findRelease(
	db: Db,
	name: string,
): Promise<StoredRelease | undefined> {
	const row = await db
		.selectFrom("releases")
		.selectAll()
		.where("name", "=", name)
		.executeTakeFirst();
	return (
		row && { name: row.name, images: row.images, createdAt: row.created_at }
	);
}

/** Newest first. */
export async function listReleases(db: Db): Promise<StoredRelease[]> {
	const rows = await db
		.selectFrom("releases")
		.selectAll()
		.orderBy("created_at", "desc")
		.orderBy("name")
		.execute();
	return rows.map((row) => ({
		name: row.name,
		images: row.images,
		createdAt: row.created_at,
	}));
}
