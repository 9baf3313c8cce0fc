import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { sql } from "kysely";
import { hashToken } from "../../src/domain/token.ts";
import { ensureAdmin } from "../../src/operations/admin.ts";
import { findActor } from "../../src/store/tokens.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";

let database: TestDatabase;
before(async () => {
	database = await createTestDatabase();
});
after(() => database?.close());

const listTokens = async () =>
	(
		await sql<{ name: string; days: number | null }>`
			select name, extract(day from expires_at - now())::integer as days from tokens order by created_at, id`.execute(
			database.db,
		)
	).rows;
const works = async (text: string) =>
	(await findActor(database.db, hashToken(text)))?.role === "platform-admin";

test("the first start makes a token for good, and later ones with the same data folder keep it", async () => {
	const first = await ensureAdmin(database.db, undefined, "alpha");
	assert.equal(await ensureAdmin(database.db, first, "alpha"), first);
	assert.deepEqual(await listTokens(), [
		{ name: "platform admin", days: null },
	]);
});

test("starts with fresh data folders make tokens that expire, and revoke nobody's", async () => {
	const texts = [
		await ensureAdmin(database.db, undefined, "beta"),
		await ensureAdmin(database.db, undefined, "gamma"),
	];
	for (const text of texts) assert.ok(await works(text));
	const [first, ...further] = await listTokens();
	assert.equal(first?.days, null);
	assert.deepEqual(further.map((one) => one.name).sort(), [
		"platform admin on beta",
		"platform admin on gamma",
	]);
	for (const { days } of further) assert.ok(days === 29 || days === 30);
});

test("a data folder whose token has expired gets another", async () => {
	const old = await ensureAdmin(database.db, undefined, "delta");
	await sql`update tokens set expires_at = now() - interval '1 second' where name like '%delta'`.execute(
		database.db,
	);
	const next = await ensureAdmin(database.db, old, "delta");
	assert.notEqual(next, old);
	assert.ok(await works(next));
});

test("when the lasting token was revoked, the next that is made lasts", async () => {
	await sql`update tokens set revoked_at = now()`.execute(database.db);
	const text = await ensureAdmin(database.db, undefined, "epsilon");
	assert.ok(await works(text));
	assert.deepEqual((await listTokens()).at(-1), {
		name: "platform admin",
		days: null,
	});
});
