// What is taken back within a transaction, one within the other.
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { sql } from "kysely";
import { attempt, rehearse, undoIfThrown } from "../../src/store/db.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";

let database: TestDatabase;
before(async () => {
	database = await createTestDatabase();
	await sql`create table notes (text text)`.execute(database.db);
});
after(() => database?.close());
beforeEach(() => sql`truncate notes`.execute(database.db));

type Trx = Parameters<typeof undoIfThrown>[0];
const note = (trx: Trx, text: string) =>
	sql`insert into notes values (${text})`.execute(trx);
const listNotes = async () =>
	(
		await sql<{ text: string }>`select text from notes order by text`.execute(
			database.db,
		)
	).rows.map(({ text }) => text);

const inner = {
	"an attempt that found nothing": (trx: Trx) =>
		attempt(trx, async () => {
			await note(trx, "inner");
			return undefined;
		}),
	"a rehearsal": (trx: Trx) => rehearse(trx, () => note(trx, "inner")),
	"what threw": (trx: Trx) =>
		undoIfThrown(trx, async () => {
			await note(trx, "inner");
			throw new Error("planted");
		}).catch(() => undefined),
};

for (const [what, takeBack] of Object.entries(inner)) {
	test(`${what} within what throws takes back its own, and then the other one all of it`, async () => {
		await database.db.transaction().execute(async (trx) => {
			await note(trx, "before");
			await assert.rejects(
				undoIfThrown(trx, async () => {
					await note(trx, "outer");
					await takeBack(trx);
					throw new Error("planted");
				}),
			);
			await note(trx, "after");
		});
		assert.deepEqual(await listNotes(), ["after", "before"]);
	});

	test(`${what} within what goes well takes back its own alone`, async () => {
		await database.db.transaction().execute(async (trx) => {
			await undoIfThrown(trx, async () => {
				await note(trx, "outer");
				await takeBack(trx);
			});
		});
		assert.deepEqual(await listNotes(), ["outer"]);
	});
}
