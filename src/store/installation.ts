// What there is once in an installation.
import type { Db } from "./db.ts";

/** Keeps the value unless there is one of that name, and returns the one that is kept. */
export async function keepOnce(
	db: Db,
	name: string,
	value: Buffer,
): Promise<Buffer> {
	await db
		.insertInto("installation")
		.values({ name, value })
		.onConflict((conflict) => conflict.doNothing())
		.execute();
	const row = await db
		.selectFrom("installation")
		.select("value")
		.where("name", "=", name)
		.executeTakeFirstOrThrow();
	return row.value;
}

export async function findKept(
	db: Db,
	name: string,
): Promise<Buffer | undefined> {
	const row = await db
		.selectFrom("installation")
		.select("value")
		.where("name", "=", name)
		.executeTakeFirst();
	return row?.value;
}
