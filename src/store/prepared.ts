// Statements by name, so that PostgreSQL parses and plans each of them once a connection and not once a call.
// That was a third of what an order cost it.
//
// A name is forgotten with its connection; PostgreSQL forgets names on DISCARD, and refuses a plan whose columns a
// migration changed. Neither may fail more than what was under way: the connection goes on without names.
import type { PostgresPool, PostgresPoolClient } from "kysely";
import pg from "pg";

// Each costs the server tens of kilobytes a connection. All of ours together are fewer.
const maxNames = 250;
// A statement with more holds a list, and has another text for each length of it.
const maxParameters = 40;

/** Lends the pool's connections to kysely. */
export function prepareStatements(pool: pg.Pool): PostgresPool {
	const lent = new WeakMap<pg.PoolClient, PostgresPoolClient>();
	const nameText = makeNames();
	return {
		options: pool.options,
		end: () => pool.end(),
		async connect() {
			const client = await pool.connect();
			const known = lent.get(client) ?? wrapClient(client, nameText);
			lent.set(client, known);
			return known;
		},
	};
}

type NameText = (
	text: string,
	values: readonly unknown[],
) => string | undefined;

/** The same name for the same text, in all connections of the pool. */
function makeNames(): NameText {
	const names = new Map<string, string>();
	return (text, values) => {
		if (values.length === 0 || values.length > maxParameters) return undefined;
		const known = names.get(text);
		if (known !== undefined || names.size >= maxNames) return known;
		const name = `s${names.size + 1}`;
		names.set(text, name);
		return name;
	};
}

function wrapClient(
	client: pg.PoolClient,
	nameText: NameText,
): PostgresPoolClient {
	let isForgetful = false;
	const query = async (text: string, values: readonly unknown[]) => {
		const name = isForgetful ? undefined : nameText(text, values);
		if (name === undefined) return client.query(text, [...values]);
		try {
			return await client.query({ name, text, values: [...values] });
		} catch (error) {
			if (!isUnprepared(error)) throw error;
			isForgetful = true;
			// Within a transaction all of it has to be done again, which is its caller's to decide.
			if (client.getTransactionStatus() !== "I") throw error;
			return client.query(text, [...values]);
		}
	};
	return {
		// Cursors are not asked for.
		query: query as unknown as PostgresPoolClient["query"],
		release: (destroy) => client.release(destroy),
	};
}

/** A statement was refused before it began, because of its name alone: the same without a name would do. */
export const isUnprepared = (error: unknown): boolean =>
	error instanceof pg.DatabaseError &&
	// No statement of that name; there is one already (behind a pooler); it was planned for other columns.
	(error.code === "26000" ||
		error.code === "42P05" ||
		(error.code === "0A000" && /cached plan/.test(error.message)));
