import { sql } from "kysely";
import { movingKinds, type Revision } from "../domain/environment.ts";
import type { EnvironmentId } from "../domain/ids.ts";
import { type ShownParameters, shownParameters } from "../domain/parameters.ts";
import type { Release } from "../domain/release.ts";
import { decideDemand } from "../domain/sizing.ts";
import type { Power, Size } from "../domain/spec.ts";
import { selectDigest } from "./bundles.ts";
import type { Db } from "./db.ts";

/** A revision with the images that it was ordered with. */
export interface StoredRevision extends Omit<Revision, "release"> {
	readonly release: Release;
	/** Of the code that it runs; null for a revision from before code was kept. */
	readonly digest: string | null;
}

export interface NewRevision {
	readonly environment: EnvironmentId;
	readonly number: number;
	readonly blueprintVersion: string;
	readonly release: Release;
	readonly size: Size;
	readonly parameters: ShownParameters;
	/** Undefined: on. */
	readonly power?: Power;
	/** The revision whose content it repeats. */
	readonly basedOn?: number;
	/** Of the code that it runs. Undefined: of the code that this version of the blueprint has. */
	readonly digest?: string | null;
}

export async function createRevision(
	db: Db,
	revision: NewRevision,
): Promise<void> {
	const demand = decideDemand(revision);
	await db
		.insertInto("revisions")
		.values({
			environment_id: revision.environment,
			number: revision.number,
			blueprint_version: revision.blueprintVersion,
			release: revision.release.name,
			images: JSON.stringify(revision.release.images),
			size: revision.size,
			parameters: JSON.stringify(revision.parameters),
			power: revision.power ?? "on",
			based_on: revision.basedOn ?? null,
			cpu_millis: demand.cpuMillis,
			memory_mib: demand.memoryMiB,
			digest:
				revision.digest ??
				selectDigest(revision.environment, revision.blueprintVersion),
		})
		.execute();
}

const selectRevisions = (db: Db, environment: EnvironmentId) =>
	db
		.selectFrom("revisions")
		.selectAll()
		.where("environment_id", "=", environment);

type Row = Awaited<
	ReturnType<ReturnType<typeof selectRevisions>["executeTakeFirstOrThrow"]>
>;

const remembered = 1_000;
const parsed = new Map<string, ShownParameters>();

/** Most revisions have the parameters of many others, and to parse them is much of what a page of environments costs. */
export function parseParameters(stored: unknown): ShownParameters {
	const text = JSON.stringify(stored);
	const known = parsed.get(text);
	if (known !== undefined) return known;
	const fresh = freezeDeep(shownParameters.parse(stored));
	if (parsed.size >= remembered) parsed.clear();
	parsed.set(text, fresh);
	return fresh;
}

/** What several share, none may change. */
function freezeDeep<T>(value: T): T {
	if (typeof value !== "object" || value === null) return value;
	for (const part of Object.values(value)) freezeDeep(part);
	return Object.freeze(value);
}

const toRevision = (row: Row): StoredRevision => ({
	environment: row.environment_id,
	number: row.number,
	blueprintVersion: row.blueprint_version,
	release: { name: row.release, images: row.images },
	size: row.size,
	parameters: parseParameters(row.parameters),
	digest: row.digest,
	power: row.power,
	basedOn: row.based_on,
	createdAt: row.created_at,
});

export async function loadRevision(
	db: Db,
	environment: EnvironmentId,
	number: number,
): Promise<StoredRevision> {
	return toRevision(
		await selectRevisions(db, environment)
			.where("number", "=", number)
			.executeTakeFirstOrThrow(),
	);
}

const selectBegun = (db: Db, environment: EnvironmentId) =>
	db
		.selectFrom("operations as o")
		.select("o.revision_to")
		.where("o.environment_id", "=", environment)
		.where("o.revision_to", "is not", null)
		.where("o.is_touched", "=", true)
		.where("o.kind", "in", movingKinds);

/**
 * The newest revision that somebody began to apply: nothing in the cluster can be of a later one. With `before`, the
 * newest below that number: for the operation that leads to it, what it finds.
 */
export async function loadBegunRevision(
	db: Db,
	environment: EnvironmentId,
	before: number | null = null,
): Promise<StoredRevision> {
	return toRevision(
		await selectRevisions(db, environment)
			.where("number", "in", selectBegun(db, environment))
			.$if(before !== null, (query) => query.where("number", "<", before))
			.orderBy("number", "desc")
			.limit(1)
			.executeTakeFirstOrThrow(),
	);
}

/**
 * The newest revision in which some object of these kinds may be: one whose operation reported a change of one, or was
 * begun more than once, when a change may have gone unreported; or else the one that runs.
 */
export async function loadReachedRevision(
	db: Db,
	environment: EnvironmentId,
	request: { readonly running: number; readonly kinds: readonly string[] },
): Promise<StoredRevision> {
	const { running, kinds } = request;
	const reached = selectBegun(db, environment).where((eb) =>
		eb.or([
			eb("o.revision_to", "=", running),
			eb("o.attempt", ">", 1),
			eb.exists(
				eb
					.selectFrom("events as e")
					.select("e.id")
					.whereRef("e.operation_id", "=", "o.id")
					.where("e.type", "in", [
						"resource.created",
						"resource.updated",
						"resource.replaced",
					])
					.where(sql<string>`e.data ->> 'kind'`, "in", kinds),
			),
		]),
	);
	return toRevision(
		await selectRevisions(db, environment)
			.where("number", ">=", running)
			.where("number", "in", reached)
			.orderBy("number", "desc")
			.limit(1)
			.executeTakeFirstOrThrow(),
	);
}

/** The revisions that were brought to their end, newest first. */
export async function listSucceededRevisions(
	db: Db,
	environment: EnvironmentId,
): Promise<StoredRevision[]> {
	const succeeded = selectBegun(db, environment)
		.where("o.state", "=", "succeeded")
		.where("o.kind", "in", movingKinds);
	const rows = await selectRevisions(db, environment)
		.where("number", "in", succeeded)
		.orderBy("number", "desc")
		.execute();
	return rows.map(toRevision);
}

/** Newest first. */
export async function listRevisions(
	db: Db,
	environment: EnvironmentId,
): Promise<StoredRevision[]> {
	const rows = await selectRevisions(db, environment)
		.orderBy("number", "desc")
		.execute();
	return rows.map(toRevision);
}
