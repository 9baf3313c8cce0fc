// Brings the database's schema to this version: migrations/NNNN-what.sql in order, each once, each in a
// transaction of its own. A released file is never edited: its digest is kept and compared.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { sql } from "kysely";
import pg from "pg";
import { Failure } from "../failure.ts";
import type { Db } from "./db.ts";

const folder = new URL("./migrations/", import.meta.url);
// Any fixed number: whoever migrates this database asks for the same lock.
const advisoryLock = 7_301_991;
/** How long a migration may wait for others: for the one who migrates, and for those who hold a table. */
const defaultLockTimeoutMs = 60_000;
const lockNotAvailable = "55P03";

interface Migration {
	readonly name: string;
	readonly text: string;
	readonly digest: string;
}

type Applied = Pick<Migration, "name" | "digest">;

function listMigrations(): Migration[] {
	return readdirSync(folder)
		.filter((file) => /^\d{4}-.*\.sql$/.test(file))
		.sort()
		.map((name) => {
			const text = readFileSync(new URL(name, folder), "utf8");
			return {
				name,
				text,
				digest: createHash("sha256").update(text).digest("hex"),
			};
		});
}

/**
 * Applies what is missing and returns the names of what was applied. Any number of processes may call it at
 * once. Throws a Failure when the database is newer than this version or an applied file was edited since, and
 * `unavailable` when somebody holds a lock that it needs for longer than `lockTimeoutMs`.
 */
export async function migrate(
	url: string,
	{ lockTimeoutMs = defaultLockTimeoutMs } = {},
): Promise<string[]> {
	const client = await connect(url);
	try {
		await client.query("select set_config('lock_timeout', $1, false)", [
			`${lockTimeoutMs}ms`,
		]);
		await waitFor(client, "The database is being migrated by", () =>
			client.query("select pg_advisory_lock($1)", [advisoryLock]),
		);
		await client.query(
			"create table if not exists migrations (name text primary key, digest text not null, applied_at timestamptz not null default now())",
		);
		const { rows } = await client.query<Applied>(listApplied);
		const known = listMigrations();
		refuseStrangers(rows, known);
		const applied = new Set(rows.map((row) => row.name));
		const missing = known.filter((migration) => !applied.has(migration.name));
		for (const migration of missing) {
			await waitFor(client, `${migration.name} waits for a lock of`, () =>
				apply(client, migration),
			);
		}
		return missing.map((migration) => migration.name);
	} finally {
		// Ending the connection gives the lock back.
		await client.end();
	}
}

const findTable = "select to_regclass('migrations') is not null as found";
const listApplied = "select name, digest from migrations";

/** Throws `not_set_up` unless all migrations of this version, and no others, were applied; `unavailable` if nobody answers. */
export async function requireSchema(url: string): Promise<void> {
	const client = await connect(url);
	try {
		const { rows: tables } = await client.query<{ found: boolean }>(findTable);
		const { rows } = tables[0]?.found
			? await client.query<Applied>(listApplied)
			: { rows: [] };
		refuseOthers(rows, listMigrations());
	} finally {
		await client.end();
	}
}

/** As `requireSchema`, to be asked again and again: what this version knows is read once. */
export function makeSchemaCheck(): (db: Db) => Promise<void> {
	const known = listMigrations();
	return async (db) => {
		const { rows } = await sql.raw<Applied>(listApplied).execute(db);
		refuseOthers(rows, known);
	};
}

function refuseOthers(
	rows: readonly Applied[],
	known: readonly Migration[],
): void {
	refuseStrangers(rows, known);
	if (rows.length === known.length) return;
	throw new Failure({
		code: "not_set_up",
		message: `The database lacks ${known.length - rows.length} of the ${known.length} migrations of this version.`,
		untouched: "Nothing was started.",
		advice: "Run the role `migrate` (or `serve`) once against this database.",
	});
}

/** Names who is in the way, as far as PostgreSQL tells, when the wait is over. */
async function waitFor(
	client: pg.Client,
	what: string,
	work: () => Promise<unknown>,
): Promise<void> {
	try {
		await work();
	} catch (cause) {
		if (
			!(cause instanceof pg.DatabaseError && cause.code === lockNotAvailable)
		) {
			throw cause;
		}
		const holders = await listHolders(client);
		throw new Failure({
			code: "unavailable",
			message: `${what} another session, for longer than this one waits${holders}.`,
			untouched: "Nothing was changed.",
			advice:
				"Wait until it is through and start again. If nothing works on it any more, end that session with: select pg_terminate_backend(pid).",
			retryable: true,
			cause,
		});
	}
}

/** Sessions that hold the migration's lock or a table of this database for long, as ` (pid 7, since …)`. */
async function listHolders(client: pg.Client): Promise<string> {
	const { rows } = await client.query<{ pid: number; since: string }>(
		`select distinct a.pid, coalesce(a.xact_start, a.query_start, a.backend_start)::text as since
		from pg_locks l join pg_stat_activity a on a.pid = l.pid
		where l.granted and a.pid <> pg_backend_pid() and a.datname = current_database()
			and ((l.locktype = 'advisory' and l.objid = $1) or (l.locktype = 'relation' and a.xact_start < now() - interval '1 second'))
		order by since limit 3`,
		[advisoryLock],
	);
	if (rows.length === 0) return "";
	return ` (${rows.map(({ pid, since }) => `pid ${pid}, since ${since}`).join("; ")})`;
}

async function connect(url: string): Promise<pg.Client> {
	const client = new pg.Client({
		connectionString: url,
		connectionTimeoutMillis: 10_000,
	});
	try {
		await client.connect();
	} catch (error) {
		throw new Failure({
			code: "unavailable",
			message: `The database at ${client.host}:${client.port} cannot be used: ${error instanceof Error && error.message ? error.message : "it does not answer"}.`,
			untouched: "Nothing was changed.",
			advice: "See that PostgreSQL runs there and that DATABASE_URL is right.",
			retryable: true,
			cause: error,
		});
	}
	return client;
}

function refuseStrangers(
	rows: readonly Applied[],
	known: readonly Migration[],
): void {
	for (const row of rows) {
		const migration = known.find((one) => one.name === row.name);
		if (migration?.digest === row.digest) continue;
		throw new Failure({
			code: "not_set_up",
			message: migration
				? `The migration ${row.name} was applied with another content than it has now.`
				: `The database has the migration ${row.name}, which this version of Impresario does not know.`,
			untouched: "The database was not changed.",
			advice: migration
				? "Restore the file; a released migration is never edited, a new one is added."
				: "Start the newer version of Impresario that made it, or another database.",
		});
	}
}

async function apply(client: pg.Client, migration: Migration): Promise<void> {
	await client.query("begin");
	try {
		await client.query(migration.text);
		await client.query(
			"insert into migrations (name, digest) values ($1, $2)",
			[migration.name, migration.digest],
		);
		await client.query("commit");
	} catch (error) {
		await client.query("rollback");
		throw error;
	}
}
