// The catalogue of blueprints: what each version's code is, once and for ever.
import type { BlueprintVersion } from "../domain/blueprint.ts";
import { type Bundle, listDifferences } from "../domain/bundle.ts";
import { Failure } from "../failure.ts";
import { loadBundle, saveBlueprint } from "../store/bundles.ts";
import type { Db } from "../store/db.ts";

/**
 * Keeps the code of each version. Throws `not_set_up`, naming the files, when a version's code is not what it
 * was: an environment that was made with it could not be rolled back to what it was.
 */
export async function registerBlueprints(
	db: Db,
	blueprints: readonly (BlueprintVersion & { readonly bundle: Bundle })[],
): Promise<void> {
	// All or nothing: a refusal leaves no trace.
	await db.transaction().execute(async (trx) => {
		for (const { bundle, ...blueprint } of blueprints) {
			const kept = await saveBlueprint(trx, blueprint, bundle);
			if (kept === bundle.digest) continue;
			throw refuseChange(blueprint, await loadBundle(trx, kept), bundle);
		}
	});
}

function refuseChange(
	{ name, version }: BlueprintVersion,
	kept: Bundle,
	found: Bundle,
): Failure {
	const files = listDifferences(kept, found).join(", ");
	return new Failure({
		code: "not_set_up",
		message: `The code of the blueprint ${name}@${version} is not the code that this database knows of that version. What differs: ${files}.`,
		untouched: "Nothing was started, and the database was not changed.",
		advice: `Give the changed code a new version, in currentVersions of src/domain/blueprint.ts, programs/entries.ts and programs/catalog.ts, or restore the files. In development, a database without environments worth keeping may instead forget the version: delete from blueprints where name = '${name}' and version = '${version}'.`,
	});
}
