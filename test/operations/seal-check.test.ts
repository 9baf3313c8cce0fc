import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import { sql } from "kysely";
import {
	ensureSealCheck,
	requireSealCheck,
} from "../../src/operations/seal-check.ts";
import { parseSealKey } from "../../src/seal.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { givenInstallation, testSealKey } from "../support/given.ts";

let database: TestDatabase;
before(async () => {
	database = await createTestDatabase();
});
after(() => database?.close());

const otherKey = () => parseSealKey(randomBytes(32).toString("hex"));
const isNotSetUp = { code: "not_set_up" };

test("a database that was never made ready is said to be so", async () => {
	const { db } = database;
	await assert.rejects(requireSealCheck({ db, sealKey: testSealKey }), {
		...isNotSetUp,
		message: /never made ready/,
	});
});

test("a database from before the check belongs to the key that its targets are sealed with", async () => {
	const { db } = database;
	await givenInstallation(db);
	await assert.rejects(ensureSealCheck({ db, sealKey: otherKey() }), {
		...isNotSetUp,
		message: /another seal key/,
	});
	const { rows } = await sql`select from installation`.execute(db);
	assert.equal(rows.length, 0, "the wrong key has left nothing");
	await ensureSealCheck({ db, sealKey: testSealKey });
});

test("whoever has the key may start again and again, and whoever has another may not", async () => {
	const { db } = database;
	await ensureSealCheck({ db, sealKey: testSealKey });
	await requireSealCheck({ db, sealKey: testSealKey });
	for (const check of [ensureSealCheck, requireSealCheck]) {
		await assert.rejects(check({ db, sealKey: otherKey() }), {
			...isNotSetUp,
			advice: /SEAL_KEY/,
		});
	}
});
