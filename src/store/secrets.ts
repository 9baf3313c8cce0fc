import { sql } from "kysely";
import type { EnvironmentId } from "../domain/ids.ts";
import type { Db } from "./db.ts";

/** Keeps sealed values. Only a rotation replaces one. */
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

const nextPrefix = "next/";

/** Where the value waits that is to replace a secret's. */
export const nextName = (name: string): string => `${nextPrefix}${name}`;

/** Keeps new values beside those of the same names. Where one waits already, that one stays: it may be in use by now. */
export async function createNextSecrets(
	db: Db,
	environment: EnvironmentId,
	sealed: ReadonlyMap<string, Buffer>,
): Promise<void> {
	await sql`
		insert into secrets (environment_id, name, sealed, generation)
		select s.environment_id, ${nextPrefix} || s.name, next.sealed, s.generation + 1
		from unnest(${[...sealed.keys()]}::text[], ${[...sealed.values()]}::bytea[]) as next (name, sealed)
		join secrets s on s.environment_id = ${environment} and s.name = next.name
		on conflict do nothing`.execute(db);
}

/** Puts the values that wait in place of those before, which are gone then. Returns the names, in no order. */
export async function replaceSecrets(
	db: Db,
	environment: EnvironmentId,
): Promise<string[]> {
	const { rows } = await sql<{ name: string }>`
		with next as (
			delete from secrets
			where environment_id = ${environment} and starts_with(name, ${nextPrefix})
			returning substr(name, length(${nextPrefix}) + 1) as name, sealed, generation
		)
		update secrets s set sealed = next.sealed, generation = next.generation
		from next where s.environment_id = ${environment} and s.name = next.name
		returning s.name`.execute(db);
	return rows.map(({ name }) => name);
}

/** How often the values were made that are in use, or are to be, of those that were made more than once; by name. */
export async function listGenerations(
	db: Db,
	environment: EnvironmentId,
): Promise<Map<string, number>> {
	const rows = await db
		.selectFrom("secrets")
		.select(["name", "generation"])
		.where("environment_id", "=", environment)
		.where("generation", ">", 1)
		.orderBy("generation")
		.execute();
	return new Map(
		rows.map(({ name, generation }) => [
			name.startsWith(nextPrefix) ? name.slice(nextPrefix.length) : name,
			generation,
		]),
	);
}

/** Whether somebody has begun to rotate it since then. */
export async function wasRotatedSince(
	db: Db,
	secret: { readonly environment: EnvironmentId; readonly name: string },
	since: Date,
): Promise<boolean> {
	const row = await db
		.selectFrom("operations")
		.select("id")
		.where("environment_id", "=", secret.environment)
		.where("kind", "=", "rotate")
		.where("started_at", ">", since)
		.where(sql<boolean>`options -> 'secrets' ? ${secret.name}`)
		.limit(1)
		.executeTakeFirst();
	return row !== undefined;
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
