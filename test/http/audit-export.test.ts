// Whoever carries the audit log away goes on behind the last line that he has, and misses nothing: not what was written by a
// transaction that ended late either.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { sql } from "kysely";
import pg from "pg";
import type { Client, Line } from "../../client/client.ts";
import { auditLine, exportedLine } from "../../src/contract/audit.ts";
import { describeService } from "../../src/domain/audit.ts";
import { appendAudit } from "../../src/store/audit.ts";
import type { Db } from "../../src/store/db.ts";
import { migrate } from "../../src/store/migrate.ts";
import { alignEventClock, readHorizon } from "../../src/store/tenant-events.ts";
import { refused } from "../support/answers.ts";
import { createTestDatabase } from "../support/database.ts";
import { until } from "../support/until.ts";
import { type Door, openDoor, type Person, readPointers } from "./door.ts";

let door: Door;
before(async () => {
	door = await openDoor();
});
after(() => door.close());

type AuditLine = Line<"listAudit">;
type Asked = Parameters<Client["lines"]>[1];

const append = (db: Db, action: string, name = "test") =>
	appendAudit(db, {
		actor: describeService(name),
		action,
		request: null,
		thing: null,
		before: null,
		operation: null,
		denial: null,
	});

async function carryAway(
	asked: Asked,
	{ client }: Person = door.platformAdmin,
): Promise<AuditLine[]> {
	const lines: AuditLine[] = [];
	for await (const line of client.lines("listAudit", asked))
		lines.push(exportedLine.parse(line));
	return lines;
}

/** Until what has ended by now is below the horizon, whatever else goes on in the server. */
async function settle(): Promise<void> {
	const { rows } = await sql<{ stamp: number }>`
		select coalesce(max(stamp), 0) as stamp from audit`.execute(door.db);
	await until("nothing older goes on", async () => {
		return (await readHorizon(door.db)) > Number(rows[0]?.stamp);
	});
}

const names = (lines: readonly AuditLine[]) =>
	lines.map(({ actor }) => actor.name);

test("a line that commits late comes before those that were written after it, and those wait for it", async () => {
	const action = "service.late";
	await append(door.db, action, "early");
	await settle();
	const [early, ...none] = await carryAway({ action });
	assert.deepEqual(none, []);
	assert.equal(early?.actor.name, "early");
	await door.db.transaction().execute(async (trx) => {
		await append(trx, action, "late");
		await append(door.db, action, "quick");
		assert.deepEqual(names(await carryAway({ action })), ["early"]);
		// A page shows what there is.
		const page = await door.platformAdmin.client.listAudit({ action });
		assert.deepEqual(
			page.items.map(({ actor }) => actor.name),
			["quick", "early"],
		);
	});
	await settle();
	const rest = await carryAway({ action, after: early.cursor });
	assert.deepEqual(names(rest), ["late", "quick"]);
	const last = String(rest.at(-1)?.cursor);
	assert.deepEqual(await carryAway({ action, after: last }), []);
});

test("who comes again and again while others write has each line once", async () => {
	const action = "service.busy";
	const writers = 8;
	const each = 25;
	let isOver = false;
	const write = async (writer: number) => {
		for (let index = 0; index < each; index++)
			await door.db.transaction().execute(async (trx) => {
				await append(trx, action, `${writer}/${index}`);
				await delay(Math.random() * 8);
			});
	};
	const writing = Promise.all(
		Array.from({ length: writers }, (_, writer) => write(writer)),
	).finally(() => {
		isOver = true;
	});
	const carried: AuditLine[] = [];
	const carry = async () => {
		const after = carried.at(-1)?.cursor;
		carried.push(...(await carryAway({ action, ...(after && { after }) })));
	};
	while (!isOver) await carry();
	await writing;
	await settle();
	await carry();
	assert.equal(carried.length, writers * each);
	assert.equal(new Set(names(carried)).size, writers * each);
});

test("a tenant's admin carries away what concerns his tenant", async () => {
	await door.admin.client.createToken({ body: { name: "a", role: "viewer" } });
	await door.stranger.client.createToken({
		body: { name: "b", role: "viewer" },
	});
	await settle();
	const own = await carryAway({}, door.admin);
	assert.deepEqual(
		new Set(own.map(({ actor }) => actor.tenant)),
		new Set(["acme"]),
	);
});

test("`after` is a filter of pages as well, and only a cursor", async () => {
	const action = "service.page";
	for (const name of ["1", "2", "3"]) await append(door.db, action, name);
	await settle();
	const [first] = await carryAway({ action });
	const page = await door.platformAdmin.client.listAudit({
		action,
		after: first?.cursor,
	});
	assert.deepEqual(
		page.items.map((line) => auditLine.parse(line).actor.name),
		["3", "2"],
	);
	const wrong = await refused(
		door.platformAdmin.client.listAudit({ after: "latest" }),
	);
	assert.equal(wrong.status, 400);
	assert.deepEqual(readPointers(wrong), ["/query/after"]);
});

test("in a database whose transactions are counted anew, lines go on from the greatest", async () => {
	const action = "service.anew";
	const beyond = 20_000_000;
	await append(door.db, action, "before");
	const client = new pg.Client({ connectionString: door.databaseUrl });
	await client.connect();
	await client.query("alter table audit disable trigger audit_is_append_only");
	await client.query("update audit set stamp = $1 where action = $2", [
		beyond,
		action,
	]);
	await client.query("alter table audit enable trigger audit_is_append_only");
	await client.end();
	await alignEventClock(door.db);
	await append(door.db, action, "after");
	await settle();
	const lines = await carryAway({ action });
	assert.deepEqual(names(lines), ["before", "after"]);
});

test("lines from before there was an order come first, as they were numbered", async () => {
	const database = await createTestDatabase();
	const { db } = database;
	try {
		await sql`drop index audit_by_stamp, audit_by_tenant_stamp`.execute(db);
		await sql`alter table audit drop column stamp`.execute(db);
		await sql`drop function transaction_stamp`.execute(db);
		await sql`delete from migrations where name like '0029%'`.execute(db);
		for (const name of ["1", "2"]) await append(db, "service.old", name);
		assert.deepEqual(await migrate(database.url), ["0029-audit-export.sql"]);
		await append(db, "service.new", "3");
		const { rows } = await sql<{ name: string; stamp: number }>`
			select actor_name as name, stamp from audit order by stamp, id`.execute(
			db,
		);
		assert.deepEqual(
			rows.map(({ name }) => name),
			["1", "2", "3"],
		);
		assert.deepEqual(
			rows.slice(0, 2).map(({ stamp }) => stamp),
			[0, 0],
		);
		assert.ok(Number(rows[2]?.stamp) > 0);
	} finally {
		await database.close();
	}
});
