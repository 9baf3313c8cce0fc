// Whoever migrates waits for whoever else does, and says after a while whom it waits for.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import pg from "pg";
import { migrate } from "../../src/store/migrate.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";

let database: TestDatabase;
let other: pg.Client;
let pid: number;
before(async () => {
	database = await createTestDatabase();
	other = new pg.Client({ connectionString: database.url });
	await other.connect();
	const { rows } = await other.query("select pg_backend_pid() as pid");
	pid = rows[0].pid;
});
after(async () => {
	await other?.end();
	await database?.close();
});

const attempt = () => migrate(database.url, { lockTimeoutMs: 1_500 });

test("a migration that another session holds up ends with that session's number", async () => {
	await other.query("select pg_advisory_lock(7301991)");
	await assert.rejects(attempt(), {
		code: "unavailable",
		message: new RegExp(`another session.*pid ${pid}`),
	});
	await other.query("select pg_advisory_unlock(7301991)");
	assert.deepEqual(await attempt(), []);
});

test("a table that another session holds does not hold a migration up for ever, and nothing of it is left", async () => {
	await other.query("delete from migrations where name like '0006%'");
	await other.query("drop table installation");
	await other.query("begin");
	await other.query("lock table operations in share mode");
	await assert.rejects(attempt(), {
		code: "unavailable",
		message: new RegExp(`0006-leases.*pid ${pid}`),
	});
	await other.query("rollback");
});
