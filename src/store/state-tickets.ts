// What the client of a running update writes. Its lease token and its operation's fence are in the WHERE of
// every statement here, so that a client whose time is over changes nothing, however late it wakes up.
import { type RawBuilder, sql } from "kysely";
import { activeStates } from "../domain/operation.ts";
import { isSameHash } from "../domain/token.ts";
import { Failure } from "../failure.ts";
import type { Db } from "./db.ts";
import { withState } from "./state-tables.ts";

/** What a client shows with each write. */
export interface Ticket {
	readonly update: string;
	/** SHA-256 of its lease token. */
	readonly tokenHash: Buffer;
}

export const leaseEnd = (leaseMs: number) =>
	sql<Date>`now() + make_interval(secs => ${leaseMs / 1000})`;

/** The update's operation, if it has one, is still under the update's fence. */
export const ownsOperation = (lock = sql``) =>
	sql<boolean>`(u.operation_id is null or exists (
		select from operations o
		where o.id = u.operation_id and o.fence = u.fence and o.state in (${sql.join(activeStates)}) ${lock}))`;

/**
 * The update runs and is this client's. The lock on the operation's row makes a claim wait until what is
 * written under the old fence is written: between the check and the commit nobody can become the owner.
 */
const isOwned = (ticket: Ticket) =>
	sql<boolean>`u.id = ${ticket.update} and u.token_hash = ${ticket.tokenHash}
		and u.state = 'running' and ${ownsOperation(sql`for share`)}`;

/** And nothing of it was refused. */
export const isHeld = (ticket: Ticket) =>
	sql<boolean>`${isOwned(ticket)} and not u.is_refused`;

/** What a client writes into its update's row. Throws `lease_lost` or `not_found`. */
async function writeHeld(
	db: Db,
	ticket: Ticket,
	changes: RawBuilder<unknown>,
): Promise<Date> {
	const { rows } = await sql<{ lease_expires_at: Date }>`
		update updates u set ${changes} where ${isHeld(ticket)} returning u.lease_expires_at`.execute(
		db,
	);
	const [row] = rows;
	if (row === undefined) throw await explainRefusal(db, ticket);
	return row.lease_expires_at;
}

/** Keeps the lease for another `leaseMs` and returns its end. Throws `lease_lost` or `not_found`. */
export const renewUpdate = (db: Db, ticket: Ticket, leaseMs: number) =>
	writeHeld(db, ticket, sql`lease_expires_at = ${leaseEnd(leaseMs)}`);

/** Keeps a whole state, unless a later one was kept already. Throws `lease_lost` or `not_found`. */
export async function keepCheckpoint(
	db: Db,
	ticket: Ticket,
	checkpoint: { readonly text: string; readonly sequence: number },
): Promise<void> {
	const { text, sequence } = checkpoint;
	await writeHeld(
		db,
		ticket,
		sql`checkpoint = case when checkpoint_sequence <= ${sequence}::integer then ${text} else checkpoint end,
			checkpoint_sequence = greatest(checkpoint_sequence, ${sequence}::integer)`,
	);
}

/** How many resources were created, changed and so on, as JSON. Throws `lease_lost` or `not_found`. */
export async function recordChanges(
	db: Db,
	ticket: Ticket,
	changes: string,
): Promise<void> {
	await writeHeld(db, ticket, sql`resource_changes = ${changes}`);
}

/** Checks that the update is still its client's. Throws `lease_lost` or `not_found`. */
export async function checkTicket(db: Db, ticket: Ticket): Promise<void> {
	const { rows } = await sql`
		select from updates u where ${isHeld(ticket)}`.execute(db);
	if (rows.length === 0) throw await explainRefusal(db, ticket);
}

/** From now on nothing that this client sends is believed: something before it was refused for good. */
export async function refuseUpdate(db: Db, ticket: Ticket): Promise<void> {
	await sql`update updates u set is_refused = true where ${isOwned(ticket)}`.execute(
		db,
	);
}

/** Why a client's write found nothing to write to. */
export async function explainRefusal(db: Db, ticket: Ticket): Promise<Failure> {
	const row = await withState(db)
		.selectFrom("updates")
		.select(["state", "is_refused", "token_hash"])
		.where("id", "=", ticket.update)
		.executeTakeFirst();
	const untouched = "Nothing of this request was kept.";
	if (row === undefined) {
		return new Failure({
			code: "not_found",
			message: `There is no update ${ticket.update}.`,
			untouched,
		});
	}
	const reason =
		row.token_hash === null || !isSameHash(row.token_hash, ticket.tokenHash)
			? "The lease token is not this update's."
			: row.state !== "running"
				? "This update has ended."
				: row.is_refused
					? "An earlier part of this update's journal was refused, so nothing later is accepted."
					: "The operation that this update belongs to has another owner now.";
	return new Failure({ code: "lease_lost", message: reason, untouched });
}

/**
 * Locks the update until the transaction ends, if it is still its client's, refused or not. Throws
 * `lease_lost` or `not_found`.
 */
export async function holdUpdate(db: Db, ticket: Ticket): Promise<void> {
	const { rows } = await sql`
		select from updates u where ${isOwned(ticket)} for update of u`.execute(db);
	if (rows.length === 0) throw await explainRefusal(db, ticket);
}
