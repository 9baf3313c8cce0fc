// Journal entries of running updates, as text.
import { sql } from "kysely";
import type { Db } from "./db.ts";
import { withState } from "./state-tables.ts";
import { explainRefusal, isHeld, type Ticket } from "./state-tickets.ts";

/**
 * Stores a batch, or nothing of it. One statement: the check, the locks and the rows are one transaction
 * without a round trip between them. Entries that are there already stay. Throws `lease_lost` or `not_found`.
 */
export async function appendJournal(
	db: Db,
	ticket: Ticket,
	entries: readonly { readonly sequence: number; readonly text: string }[],
): Promise<void> {
	const sequences = entries.map(({ sequence }) => sequence);
	const texts = entries.map(({ text }) => text);
	const { rows } = await sql`
		with held as (
			select u.id from updates u where ${isHeld(ticket)} for update of u
		), stored as (
			insert into journal (update_id, sequence, entry)
			select held.id, batch.sequence, batch.entry
			from held, unnest(${sequences}::bigint[], ${texts}::text[]) as batch (sequence, entry)
			on conflict do nothing
		)
		select from held`.execute(db);
	if (rows.length === 0) throw await explainRefusal(db, ticket);
}

/** The entries of a journal as they were sent, by their numbers. */
export async function listEntries(db: Db, update: string): Promise<string[]> {
	const rows = await withState(db)
		.selectFrom("journal")
		.select("entry")
		.where("update_id", "=", update)
		.orderBy("sequence")
		.execute();
	return rows.map((row) => row.entry);
}

export async function deleteJournal(db: Db, update: string): Promise<void> {
	await withState(db)
		.deleteFrom("journal")
		.where("update_id", "=", update)
		.execute();
}
