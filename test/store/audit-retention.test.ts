// What the README tells operators who do not want to keep the audit log for ever.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import pg from "pg";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";

const readme = readFileSync(
	new URL("../../README.md", import.meta.url),
	"utf8",
);
const statement =
	/```sql\n(set lock_timeout[\s\S]*?audit_is_append_only[\s\S]*?)```/.exec(
		readme,
	)?.[1] ?? assert.fail("the README has no such statement");

let database: TestDatabase;
let owner: pg.Client;
before(async () => {
	database = await createTestDatabase();
	owner = new pg.Client({ connectionString: database.url });
	await owner.connect();
	for (const [age, count] of [
		["2 years", 12_000],
		["1 day", 100],
	])
		await owner.query(
			`insert into audit (at, actor_kind, action)
			select now() - $1::interval, 'service', 'service.test' from generate_series(1, $2::int)`,
			[age, count],
		);
});
after(async () => {
	await owner?.end();
	await database?.close();
});

const count = async () =>
	Number((await owner.query("select count(*) from audit")).rows[0].count);

test("the owner deletes what is older than a year, and the table refuses as before", async () => {
	await owner.query("begin");
	await assert.rejects(
		owner.query(statement),
		/invalid transaction termination/,
	);
	await owner.query("rollback");
	assert.equal(await count(), 12_100);
	for (const part of statement.split(/(?<=5s';)/)) await owner.query(part);
	assert.equal(await count(), 100);
	await assert.rejects(owner.query("delete from audit"), /only ever added to/);
});
