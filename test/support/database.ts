// A database of its own for each test file: a copy of a template that was migrated once.
import { randomBytes } from "node:crypto";
import pg from "pg";
import { type Database, openDatabase } from "../../src/store/db.ts";
import { migrate } from "../../src/store/migrate.ts";

const template = "impresario_template";
// Serialises the making of the template, and the copying of it, between test processes.
const advisoryLock = 730_199_2;

export interface TestDatabase extends Database {
	readonly url: string;
}

const withName = (url: string, name: string) => {
	const other = new URL(url);
	other.pathname = `/${name}`;
	return other.href;
};

async function withServer<T>(
	url: string,
	work: (client: pg.Client) => Promise<T>,
): Promise<T> {
	const client = new pg.Client({ connectionString: url });
	await client.connect();
	try {
		await client.query("select pg_advisory_lock($1)", [advisoryLock]);
		return await work(client);
	} finally {
		await client.end();
	}
}

/** The server that the test services started. */
export function testDatabaseUrl(): string {
	const url = process.env.TEST_DATABASE_URL;
	if (url === undefined) {
		throw new Error(
			"TEST_DATABASE_URL is not set. Run tests by `npm test -- <file>`, which starts the services.",
		);
	}
	return url;
}

export async function createTestDatabase(): Promise<TestDatabase> {
	const server = testDatabaseUrl();
	const name = `test_${randomBytes(6).toString("hex")}`;
	await withServer(server, async (client) => {
		const { rowCount } = await client.query(
			"select from pg_database where datname = $1",
			[template],
		);
		if (rowCount === 0) {
			await client.query(`create database ${template}`);
			await migrate(withName(server, template));
		}
		await client.query(`create database ${name} template ${template}`);
	});
	const url = withName(server, name);
	const database = openTestDatabase(url);
	return {
		...database,
		close: async () => {
			await database.close();
			await withServer(server, (client) =>
				client.query(`drop database ${name} with (force)`),
			);
		},
	};
}

/** More connections to a database that is there. */
export const openTestDatabase = (url: string): TestDatabase => ({
	url,
	...openDatabase({ url, maxConnections: 10, onError: () => {} }),
});
