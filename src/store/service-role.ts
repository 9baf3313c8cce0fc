// The rights of the database role that the service works with, where it is another one than the owner of the tables: what it
// needs, and of the audit log no more than to read it and to add to it.
import pg from "pg";
import { Failure } from "../failure.ts";

/** BullMQ brings its tables up to date by itself, in a schema of its own, and must be their owner. */
const queueSchema = "bullmq";

/**
 * Gives the role its rights, as the owner. Any number of times. Throws `not_set_up` when there is no such role, or when it
 * could do with the tables whatever it likes.
 */
export async function grantServiceRole(
	url: string,
	role: string,
): Promise<void> {
	const client = new pg.Client({
		connectionString: url,
		connectionTimeoutMillis: 10_000,
	});
	await client.connect();
	try {
		await checkRole(client, role);
		await client.query("begin");
		for (const statement of await listStatements(client, role))
			await client.query(statement);
		await client.query("commit");
	} finally {
		await client.end();
	}
}

async function checkRole(client: pg.Client, role: string): Promise<void> {
	const { rows } = await client.query<{ isOwner: boolean }>(
		`select rolsuper or pg_has_role(rolname, (select tableowner from pg_tables where schemaname = current_schema() and tablename = 'audit'), 'member') as "isOwner"
		from pg_roles where rolname = $1`,
		[role],
	);
	const [found] = rows;
	if (found?.isOwner === false) return;
	throw new Failure({
		code: "not_set_up",
		message:
			found === undefined
				? `There is no database role "${role}", which DATABASE_SERVICE_ROLE names.`
				: `The database role "${role}", which DATABASE_SERVICE_ROLE names, owns the tables or may do everything: it could change the audit log.`,
		untouched: "Its rights are what they were.",
		advice:
			"Make one that is not the owner: create role … login password '…'. The other processes connect as that one.",
	});
}

async function listStatements(
	client: pg.Client,
	role: string,
): Promise<string[]> {
	const { rows } = await client.query<{
		schema: string;
		database: string;
		hasOthersQueue: boolean;
	}>(
		`select current_schema() as schema, current_database() as database,
			exists (select from pg_namespace where nspname = $1 and nspowner <> to_regrole($2)) as "hasOthersQueue"`,
		[queueSchema, pg.escapeIdentifier(role)],
	);
	const [place] = rows;
	if (place === undefined) throw new Error("one row was expected");
	const name = pg.escapeIdentifier(role);
	const schema = pg.escapeIdentifier(place.schema);
	return [
		`grant usage on schema ${schema} to ${name}`,
		`grant select, insert, update, delete on all tables in schema ${schema} to ${name}`,
		`grant usage, select on all sequences in schema ${schema} to ${name}`,
		`revoke all on ${schema}.audit, ${schema}.migrations from ${name}`,
		`grant select, insert on ${schema}.audit to ${name}`,
		`grant select on ${schema}.migrations to ${name}`,
		// For the queue's own schema. One that another role has made is made anew by the service: a message says no more than
		// that there is work, and what is lost with it the sweep sends again.
		`grant create on database ${pg.escapeIdentifier(place.database)} to ${name}`,
		...(place.hasOthersQueue ? [`drop schema ${queueSchema} cascade`] : []),
	];
}
