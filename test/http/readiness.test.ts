// `/readyz` says what is missing, each by its name, and in time.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { connect } from "node:net";
import { after, before, test } from "node:test";
import { sql } from "kysely";
import { makeReadiness } from "../../src/http/readiness.ts";
import {
	listReadinessChecks,
	type ReadinessCheck,
} from "../../src/operations/readiness.ts";
import { ensureSealCheck } from "../../src/operations/seal-check.ts";
import { openSender, type Sender } from "../../src/queue/enqueue.ts";
import { parseSealKey } from "../../src/seal.ts";
import { openDatabase } from "../../src/store/db.ts";
import { type Answer, answered } from "../support/answers.ts";
import { silentLog, testSealKey } from "../support/given.ts";
import { until } from "../support/until.ts";
import { type Door, openDoor, openDoorBeside, readPointers } from "./door.ts";

let door: Door;
let sender: Sender;
before(async () => {
	door = await openDoor();
	await ensureSealCheck({ db: door.db, sealKey: testSealKey });
	sender = openSender(door.databaseUrl, silentLog);
});
after(async () => {
	await sender.close();
	await door.close();
});

const listChecks = (
	part: Partial<Parameters<typeof listReadinessChecks>[0]> = {},
) =>
	listReadinessChecks({ db: door.db, sealKey: testSealKey, sender, ...part });

/** What a process with these checks answers. */
async function ask(
	readinessChecks: readonly ReadinessCheck[],
): Promise<Answer> {
	const beside = await openDoorBeside(door, { readinessChecks });
	try {
		return await answered(beside.as().checkReady());
	} finally {
		await beside.close();
	}
}

const messagesOf = (answer: Answer): string =>
	JSON.stringify(answer.body.errors);

test("a process that has all that it needs is ready, and says what it has looked at", async () => {
	const answer = await ask(listChecks());
	assert.equal(answer.status, 200);
	assert.deepEqual(answer.body, {
		status: "ready",
		checks: ["database", "migrations", "sealKey", "queue"].map((name) => ({
			name,
			status: "passed",
			message: "It is there.",
		})),
	});
});

test("a database that another version has migrated is said to be so: newer, older or otherwise", async () => {
	const { db } = door;
	const cases = [
		[
			sql`insert into migrations (name, digest) values ('9999-later.sql', 'x')`,
			/9999-later.sql.*does not know/,
			sql`delete from migrations where name = '9999-later.sql'`,
		],
		[
			sql`update migrations set name = '0000-gone' where name like '0022-%'`,
			/0000-gone/,
			sql`update migrations set name = '0022-webhooks.sql' where name = '0000-gone'`,
		],
		[
			sql`create table kept as select * from migrations where name like '0022-%'`,
			undefined,
			sql`delete from migrations where name like '0022-%'`,
		],
	] as const;
	for (const [spoil, says, mend] of cases) {
		await spoil.execute(db);
		if (says !== undefined) {
			const answer = await ask(listChecks());
			assert.equal(answer.status, 503);
			assert.deepEqual(readPointers(answer), ["/migrations"]);
			assert.match(messagesOf(answer), says);
			assert.match(String(answer.body.detail), /: migrations: /);
		}
		await mend.execute(db);
	}
	const older = await ask(listChecks());
	assert.equal(older.status, 503);
	assert.deepEqual(readPointers(older), ["/migrations"]);
	assert.match(messagesOf(older), /lacks 1 of the/);
	await sql`insert into migrations select * from kept`.execute(db);
	await sql`drop table kept`.execute(db);
	assert.equal((await ask(listChecks())).status, 200);
});

test("a process with another seal key than the data's is not ready", async () => {
	const sealKey = parseSealKey(randomBytes(32).toString("hex"));
	const answer = await ask(listChecks({ sealKey }));
	assert.equal(answer.status, 503);
	assert.equal(answer.body.code, "unavailable");
	assert.equal(answer.body.retryable, true);
	assert.ok(answer.headers.get("retry-after"));
	assert.deepEqual(readPointers(answer), ["/sealKey"]);
});

test("without its queue a process is ready all the same, and says what waits for it", async () => {
	// Port 1 is nobody's.
	const away = openSender("redis://:planted-password@127.0.0.1:1", silentLog);
	try {
		const answer = await ask(listChecks({ sender: away }));
		assert.equal(answer.status, 200, answer.text);
		assert.equal(answer.body.status, "degraded");
		const checks = answer.body.checks as { name: string; status: string }[];
		assert.deepEqual(
			checks
				.filter(({ status }) => status === "failed")
				.map(({ name }) => name),
			["queue"],
		);
		assert.doesNotMatch(answer.text, /planted|127\.0\.0\.1/);
	} finally {
		await away.close();
	}
});

test("without its database all that is in it is missing, and no address is told", async () => {
	const database = openDatabase({
		url: "postgresql://nobody:planted-password@127.0.0.1:1/nothing",
		maxConnections: 4,
		onError: () => {},
	});
	try {
		const answer = await ask(listChecks({ db: database.db }));
		assert.equal(answer.status, 503);
		assert.deepEqual(readPointers(answer), [
			"/database",
			"/migrations",
			"/sealKey",
		]);
		assert.doesNotMatch(answer.text, /planted|127\.0\.0\.1|ECONNREFUSED/);
	} finally {
		await database.close();
	}
});

test("a check that does not end is named in time, begun once, and believed when it has ended", async () => {
	let begun = 0;
	const end = Promise.withResolvers<void>();
	const ask = makeReadiness({
		checks: [
			{
				name: "slow",
				isRequired: true,
				look() {
					begun++;
					return end.promise;
				},
			},
		],
		log: silentLog,
		withinMs: 20,
	});
	const missing = { name: "slow", isRequired: true, status: "failed" };
	await until("it was asked again", async () => {
		const [result] = await ask();
		assert.partialDeepStrictEqual(result, missing);
		return begun > 0;
	});
	const answers = await Promise.all([ask(), ask(), ask()]);
	assert.ok(answers.every(([result]) => result?.status === "failed"));
	assert.equal(begun, 1);
	end.resolve();
	await until(
		"it has passed",
		async () => (await ask())[0]?.status === "passed",
	);
});

test("what a check throws that is no failure is in the log, and not in the answer", async () => {
	const beside = await openDoorBeside(door, {
		readinessChecks: [
			{
				name: "odd",
				isRequired: true,
				look: () => Promise.reject(new Error("planted text")),
			},
		],
	});
	try {
		const answer = await answered(beside.as().checkReady());
		assert.deepEqual(readPointers(answer), ["/odd"]);
		assert.doesNotMatch(answer.text, /planted/);
		const lines = beside.log.filter(({ fields }) => fields.check === "odd");
		assert.match(String(lines[0]?.fields.err), /planted text/);
	} finally {
		await beside.close();
	}
});

test("a process that is about to stop is not ready", async () => {
	const own = await openDoorBeside(door);
	try {
		// A request that has begun is still answered.
		const socket = connect(own.port, "127.0.0.1");
		let answer = "";
		socket.on("data", (chunk) => {
			answer += chunk;
		});
		socket.write(
			"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /readyz HTTP/1.1\r\nHost: x\r\n",
		);
		await until("the connection is known", () => answer.includes("alive"));
		const closed = own.closeServer();
		socket.write("\r\n");
		await closed;
		await until("it is answered", () => answer.includes("/draining"));
		assert.match(answer, /HTTP\/1\.1 503 /);
	} finally {
		await own.close();
	}
});
