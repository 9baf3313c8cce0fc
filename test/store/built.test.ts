// Queries that are built once.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { sql } from "kysely";
import { buildOnce } from "../../src/store/built.ts";
import { type Database, openDatabase } from "../../src/store/db.ts";
import { createTenant } from "../../src/store/tenants.ts";
import { createTestDatabase } from "../support/database.ts";

let database: Database;
let remove: () => Promise<unknown>;
before(async () => {
	const created = await createTestDatabase();
	remove = () => created.close();
	database = openDatabase({
		url: created.url,
		maxConnections: 2,
		onError: () => {},
	});
	await createTenant(database.db, "given");
});
after(async () => {
	await database?.close();
	await remove?.();
});

let builds = 0;
const findTenants = buildOnce((db, name: string, other: string) => {
	builds++;
	return db
		.selectFrom("tenants")
		.select(["name", sql<string>`${other}::text`.as("other")])
		.where("name", "in", [name, "none"]);
});

test("each call has its own values, in the order of the query and not of the call", async () => {
	for (const name of ["given", "nobody", "given"]) {
		const rows = await findTenants(database.db, name, `with ${name}`);
		const expected = [{ name, other: `with ${name}` }];
		assert.deepEqual(rows, name === "nobody" ? [] : expected);
	}
	assert.equal(builds, 1);
});

test("it is asked within the transaction that it is given", async () => {
	await database.db
		.transaction()
		.execute(async (db) => {
			await sql`update tenants set name = 'renamed' where name = 'given'`.execute(
				db,
			);
			assert.equal((await findTenants(db, "renamed", "")).length, 1);
			throw new Error("taken back");
		})
		.catch((error) => assert.equal(error.message, "taken back"));
	assert.deepEqual(await findTenants(database.db, "renamed", ""), []);
});

test("a query that does not take a value as it stands is refused", async () => {
	const wrong = buildOnce((db, name: string) =>
		db
			.selectFrom("tenants")
			.select("name")
			.where("name", "=", JSON.stringify(name)),
	);
	await assert.rejects(wrong(database.db, "given"), {
		name: "TypeError",
		message: "not parameters of the query: 0",
	});
});
