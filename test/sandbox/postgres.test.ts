import assert from "node:assert/strict";
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import pg from "pg";
import { findIdentity } from "../../src/sandbox/identity.ts";
import { startPostgres } from "../../src/sandbox/postgres.ts";
import { until } from "../support/until.ts";
import { makeFolder, readPids } from "./given.ts";

const folder = makeFolder();
after(() => folder.remove());
const dataDir = join(folder.dir, "postgres");
const start = () => startPostgres({ dataDir, throwAway: true });

async function ask(url: string, sql: string): Promise<unknown> {
	const client = new pg.Client({ connectionString: url });
	client.on("error", () => {});
	await client.connect();
	try {
		const { rows } = await client.query({ text: sql, rowMode: "array" });
		return rows[0]?.[0];
	} finally {
		await client.end();
	}
}

test("it listens on this machine only, lets nobody in without its password, and ends without a trace", async () => {
	const postgres = await start();
	const { PostgreSQL: pid = 0 } = readPids(dataDir);
	const url = new URL(postgres.url);
	assert.equal(url.hostname, "127.0.0.1");
	assert.equal(await ask(postgres.url, "show listen_addresses"), "127.0.0.1");
	assert.equal(await ask(postgres.url, "show max_connections"), "200");

	assert.match(url.password, /^[0-9a-f]{48}$/);
	assert.equal(statSync(join(dataDir, "password")).mode & 0o777, 0o600);
	url.password = "postgres";
	await assert.rejects(ask(url.href, "select 1"), { code: "28P01" });

	await postgres.stop();
	assert.equal(findIdentity(pid), undefined);
});

test("data, address and password are the same at the next start", async () => {
	const first = await start();
	await ask(first.url, "create table kept as select 42 as answer");
	await first.stop();
	const second = await start();
	assert.equal(second.url, first.url);
	assert.equal(await ask(second.url, "select answer from kept"), 42);
	await second.stop();
});

test("a server that is killed comes back by itself, with its data", async () => {
	const postgres = await start();
	await ask(postgres.url, "create table survived as select 7 as answer");
	const { PostgreSQL: pid = 0 } = readPids(dataDir);
	process.kill(pid, "SIGKILL");
	const answer = await until("it answers again", () =>
		ask(postgres.url, "select answer from survived"),
	);
	assert.equal(answer, 7);
	await postgres.stop();
});

test("a pid file that a crash left behind is not believed, whoever has its pid now", async () => {
	writeFileSync(
		join(dataDir, "data", "postmaster.pid"),
		`${process.pid}\n${join(dataDir, "data")}\n`,
	);
	const postgres = await start();
	assert.equal(await ask(postgres.url, "select 1"), 1);
	await postgres.stop();
});

test("a data folder that a crash left half made is made again", async () => {
	const dir = join(folder.dir, "half");
	mkdirSync(join(dir, "data.next", "base"), { recursive: true });
	writeFileSync(join(dir, "data.next", "PG_VERSION"), "18\n");
	const postgres = await startPostgres({ dataDir: dir, throwAway: true });
	assert.equal(await ask(postgres.url, "select 1"), 1);
	await postgres.stop();
});

test("a port that is taken is told of, and nothing is left running", async () => {
	const first = await start();
	const dir = join(folder.dir, "other");
	await assert.rejects(startPostgres({ dataDir: dir, port: first.port }), {
		code: "not_set_up",
		message: `PostgreSQL cannot listen on 127.0.0.1:${first.port}: the port is taken.`,
	});
	await first.stop();
});

test("data that are damaged are told of with PostgreSQL's own words", async () => {
	const path = join(dataDir, "data", "PG_VERSION");
	const version = readFileSync(path, "utf8");
	writeFileSync(path, "9.1\n");
	await assert.rejects(start(), {
		code: "not_set_up",
		message:
			/FATAL: {2}database files are incompatible with server|initialized by PostgreSQL version 9.1/,
	});
	writeFileSync(path, version);
	await (await start()).stop();
});
