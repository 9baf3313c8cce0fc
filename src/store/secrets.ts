import type { EnvironmentId } from "../domain/ids.ts";
import type { Db } from "./db.ts";

/** Keeps sealed values; there is no way to write one twice. */
export async function createSealedSecrets(
	db: Db,
	environment: EnvironmentId,
	sealed: ReadonlyMap<string, Buffer>,
): Promise<void> {
	if (sealed.size === 0) return;
	await db
		.insertInto("secrets")
		.values(
			[...sealed].map(([name, value]) => ({
				environment_id: environment,
				name,
				sealed: value,
			})),
		)
		.execute();
}

export async function listSealedSecrets(
	db: Db,
	environment: EnvironmentId,
): Promise<Map<string, Buffer>> {
	const rows = await db
		.selectFrom("secrets")
		.select(["name", "sealed"])
		.where("environment_id", "=", environment)
		.execute();
	return new Map(rows.map((row) => [row.name, row.sealed]));
}

/** Once an environment is gone nobody needs them any more. */
export async function deleteSecrets(
	db: Db,
	environment: EnvironmentId,
): Promise<void> {
	await db
		.deleteFrom("secrets")
		.where("environment_id", "=", environment)
		.execute();
}
