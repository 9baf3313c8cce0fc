// What was answered under the keys that callers gave to their requests.
import { sql } from "kysely";
import type { CallerId, TenantId } from "../domain/ids.ts";
import { type Db, isLockTimeout } from "./db.ts";

/** What a key belongs to, and the key. */
export interface KeyPlace {
	readonly tenant: TenantId;
	readonly endpoint: string;
	readonly key: string;
}

export interface KeptAnswer {
	readonly caller: CallerId;
	readonly digest: Buffer;
	/** Sealed. */
	readonly answer: Buffer;
}

/**
 * Takes the key for the transaction of the caller's, who keeps an answer in it. Waits for another transaction that has
 * it. "kept": one has kept an answer; "in use": the other one has not ended after so many milliseconds.
 */
export async function claimKey(
	trx: Db,
	{ tenant, endpoint, key }: KeyPlace,
	claim: Pick<KeptAnswer, "caller" | "digest"> & {
		readonly keptForSeconds: number;
		readonly waitMs: number;
	},
): Promise<"claimed" | "kept" | "in use"> {
	// The limit is set and taken back by the statement that it is for: round trips are what an order costs.
	const query = sql`
		with patience as (select set_config('lock_timeout', ${String(claim.waitMs)}, true))
		insert into idempotency_keys (tenant_id, endpoint, key, caller, digest, expires_at)
		select ${tenant}, ${endpoint}, ${key}, ${claim.caller}, ${claim.digest}::bytea,
			now() + make_interval(secs => ${claim.keptForSeconds})
		from patience
		on conflict (tenant_id, endpoint, key) do update
			set caller = excluded.caller, digest = excluded.digest, answer = null, expires_at = excluded.expires_at
			where idempotency_keys.expires_at <= now()
		returning set_config('lock_timeout', '0', true)`;
	try {
		const { rows } = await query.execute(trx);
		return rows.length > 0 ? "claimed" : "kept";
	} catch (error) {
		if (isLockTimeout(error)) return "in use";
		throw error;
	}
}

/** Keeps the answer under a key that this transaction has claimed. */
export async function keepAnswer(
	trx: Db,
	{ tenant, endpoint, key }: KeyPlace,
	answer: Buffer,
): Promise<void> {
	await trx
		.updateTable("idempotency_keys")
		.set({ answer })
		.where("tenant_id", "=", tenant)
		.where("endpoint", "=", endpoint)
		.where("key", "=", key)
		.execute();
}

/** Undefined when nothing was answered under this key, or too long ago. */
export async function findAnswer(
	db: Db,
	{ tenant, endpoint, key }: KeyPlace,
): Promise<KeptAnswer | undefined> {
	const row = await db
		.selectFrom("idempotency_keys")
		.select(["caller", "digest", "answer"])
		.where("tenant_id", "=", tenant)
		.where("endpoint", "=", endpoint)
		.where("key", "=", key)
		.where("expires_at", ">", sql<Date>`now()`)
		.executeTakeFirst();
	if (row === undefined || row.answer === null) return undefined;
	return { ...row, answer: row.answer };
}

/** Deletes what is kept for longer than it has to be, so many at a time. */
export async function forgetAnswers(db: Db, limit: number): Promise<void> {
	await sql`
		delete from idempotency_keys where ctid = any(array(
			select ctid from idempotency_keys where expires_at <= now()
			order by expires_at limit ${limit} for update skip locked))`.execute(db);
}
