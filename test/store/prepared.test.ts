// Statements have names that PostgreSQL keeps a connection. Whatever happens to the names, statements go on.
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { sql } from "kysely";
import { Failure } from "../../src/failure.ts";
import {
	type Database,
	openDatabase,
	translateDatabaseError,
} from "../../src/store/db.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";

let server: TestDatabase;
let database: Database;
before(async () => {
	server = await createTestDatabase();
});
// One connection, so that each statement of a test meets what the one before left.
beforeEach(async () => {
	database = openDatabase({
		url: server.url,
		maxConnections: 1,
		onError: () => {},
	});
	const { db } = database;
	await sql`drop table if exists things`.execute(db);
	await sql`create table things (id integer, name text)`.execute(db);
	await sql`insert into things values (1, 'one')`.execute(db);
});
afterEach(() => database.close());
after(() => server.close());

const readThing = (db: Database["db"], id: number) =>
	sql<{ id: number; name: string }>`select * from things where id = ${id}`
		.execute(db)
		.then(({ rows }) => rows[0]);

const countNames = async ({ db }: Database): Promise<number> => {
	const { rows } = await sql<{
		count: number;
	}>`select count(*) from pg_prepared_statements`.execute(db);
	return rows[0]?.count ?? -1;
};

test("a statement is prepared once, however often it comes", async () => {
	for (const id of [1, 1, 2, 1]) await readThing(database.db, id);
	assert.equal(await countNames(database), 1);
});

test("statements without end do not fill the connection", async () => {
	for (let i = 0; i < 400; i++) {
		await sql`select ${i}::integer as ${sql.id(`column_${i}`)}`.execute(
			database.db,
		);
	}
	assert.equal(await countNames(database), 250);
});

test("a statement whose text depends on the length of a list is not kept", async () => {
	const ids = Array.from({ length: 41 }, (_, i) => i);
	await sql`select from things where id in (${sql.join(ids)})`.execute(
		database.db,
	);
	assert.equal(await countNames(database), 0);
});

for (const [what, change] of [
	["the names are discarded", sql`discard all`],
	["a column comes", sql`alter table things add column size integer`],
] as const) {
	test(`a statement goes on when ${what} between two of its calls`, async () => {
		const { db } = database;
		await readThing(db, 1);
		await change.execute(db);
		for (const _ of [1, 2]) {
			assert.equal((await readThing(db, 1))?.name, "one");
		}
	});

	test(`a transaction that began before ${what} fails whole, may be tried again, and then succeeds`, async () => {
		const { db } = database;
		await readThing(db, 1);
		await change.execute(db);
		const rename = () =>
			db.transaction().execute(async (trx) => {
				await sql`update things set name = 'two'`.execute(trx);
				return readThing(trx, 1);
			});
		await assert.rejects(rename(), (error) => {
			const failure = translateDatabaseError(error);
			assert.ok(failure instanceof Failure);
			assert.equal(failure.retryable, true);
			return true;
		});
		assert.equal((await readThing(db, 1))?.name, "one");
		assert.equal((await rename())?.name, "two");
	});
}
