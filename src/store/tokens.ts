import { sql } from "kysely";
import type { ApprovalRule } from "../domain/approval.ts";
import {
	type CallerId,
	createTokenId,
	type TenantId,
	type TokenId,
} from "../domain/ids.ts";
import {
	type Actor,
	type Role,
	type Scope,
	type Tenant,
	type TenantSettings,
	type Token,
	tenantSettings,
} from "../domain/tenant.ts";
import { buildOnce } from "./built.ts";
import type { Db } from "./db.ts";
import { newestFirst, type PageRequest, readPage } from "./page.ts";

const selectTokens = (db: Db) =>
	db
		.selectFrom("tokens")
		.innerJoin("tenants", "tenants.id", "tokens.tenant_id")
		.select([
			"tokens.id",
			"tokens.name",
			"tokens.role",
			"tokens.created_at",
			"tokens.expires_at",
			"tokens.revoked_at",
			"tokens.last_used_at",
			"tokens.permissions",
			"tokens.environments",
			"tenants.id as tenant_id",
			"tenants.name as tenant_name",
			"tenants.settings as tenant_settings",
			"tenants.approvals as tenant_approvals",
			"tenants.created_at as tenant_created_at",
		]);

/** To how many seconds it is known when a token was used. */
const usedWithinSeconds = 60;
const isUseDue = sql<boolean>`(tokens.last_used_at is null or tokens.last_used_at < now() - make_interval(secs => ${sql.lit(usedWithinSeconds)}))`;

// What a newer version has added to them must not lock anybody out.
const readSettings = tenantSettings.strip();

type Row = Awaited<
	ReturnType<ReturnType<typeof selectTokens>["executeTakeFirstOrThrow"]>
>;

interface OwnerRow {
	readonly tenant_id: TenantId;
	readonly tenant_name: string;
	readonly tenant_settings: Partial<TenantSettings>;
	readonly tenant_approvals: readonly ApprovalRule[];
	readonly tenant_created_at: Date;
}

/** The tenant of a row that has it joined. */
export const toOwner = (row: OwnerRow): Tenant => ({
	id: row.tenant_id,
	name: row.tenant_name,
	settings: readSettings.parse(row.tenant_settings),
	approvals: row.tenant_approvals,
	createdAt: row.tenant_created_at,
});

const toToken = (row: Row): Token => ({
	id: row.id,
	name: row.name,
	tenant: row.tenant_name,
	role: row.role,
	permissions: row.permissions,
	environments: row.environments,
	createdAt: row.created_at,
	lastUsedAt: row.last_used_at,
	expiresAt: row.expires_at,
	revokedAt: row.revoked_at,
});

/** Keeps a token's hash, SHA-256 of its text; the text itself is nobody's but the caller's. */
export async function createToken(
	db: Db,
	token: {
		readonly tenant: TenantId;
		readonly name: string;
		readonly role: Role;
		readonly hash: Buffer;
		readonly expiresAt: Date | null;
		/** Without it, all that the role may. */
		readonly scope?: Scope;
	},
): Promise<Token> {
	const id = createTokenId();
	await db
		.insertInto("tokens")
		.values({
			id,
			tenant_id: token.tenant,
			name: token.name,
			role: token.role,
			hash: token.hash,
			expires_at: token.expiresAt,
			permissions:
				token.scope?.permissions && JSON.stringify(token.scope.permissions),
			environments: token.scope?.environments,
		})
		.execute();
	return toToken(
		await selectTokens(db)
			.where("tokens.id", "=", id)
			.executeTakeFirstOrThrow(),
	);
}

/** Who a token stands for, unless it is unknown, revoked or expired. */
export async function findActor(
	db: Db,
	hash: Buffer,
): Promise<Actor | undefined> {
	return (await findUser(db, hash))?.actor;
}

const findUserRows = buildOnce((db, hash: Buffer) =>
	selectTokens(db)
		.select(isUseDue.as("is_use_due"))
		.where("tokens.hash", "=", hash)
		.where("tokens.revoked_at", "is", null)
		.where((eb) =>
			eb.or([
				eb("tokens.expires_at", "is", null),
				eb("tokens.expires_at", ">", sql<Date>`now()`),
			]),
		),
);

/** `findActor`, for who uses it: `noteUse` is due when nobody has noted it for a minute. */
export async function findUser(
	db: Db,
	hash: Buffer,
): Promise<{ readonly actor: Actor; readonly isUseDue: boolean } | undefined> {
	const [row] = await findUserRows(db, hash);
	return (
		row && {
			actor: {
				token: row.id,
				kind: "machine",
				name: row.name,
				role: row.role,
				scope: { permissions: row.permissions, environments: row.environments },
				expiresAt: row.expires_at,
				tenant: toOwner(row),
			},
			isUseDue: row.is_use_due,
		}
	);
}

/** Notes that a token is used. Once a minute, however many ask for it: others find it noted. */
export async function noteUse(db: Db, id: CallerId): Promise<void> {
	await db
		.updateTable("tokens")
		.set({ last_used_at: sql<Date>`now()` })
		.where("id", "=", id as TokenId)
		.where(isUseDue)
		.execute();
}

/** A token within reach: of this tenant, if one is given. */
export async function findToken(
	db: Db,
	id: TokenId,
	tenant: TenantId | undefined,
): Promise<Token | undefined> {
	let query = selectTokens(db).where("tokens.id", "=", id);
	if (tenant !== undefined)
		query = query.where("tokens.tenant_id", "=", tenant);
	const row = await query.executeTakeFirst();
	return row && toToken(row);
}

/** Whether somebody has a token of this role that works and never expires. */
export async function hasLastingToken(db: Db, role: Role): Promise<boolean> {
	const row = await db
		.selectFrom("tokens")
		.select("id")
		.where("role", "=", role)
		.where("revoked_at", "is", null)
		.where("expires_at", "is", null)
		.executeTakeFirst();
	return row !== undefined;
}

/** Newest first; revoked ones too. Without a tenant: of all tenants. */
export async function listTokens(
	db: Db,
	tenant: TenantId | undefined,
	page: PageRequest,
): Promise<Token[]> {
	let query = selectTokens(db);
	if (tenant !== undefined)
		query = query.where("tokens.tenant_id", "=", tenant);
	const rows = await readPage(query, page, {
		...newestFirst,
		column: "tokens.created_at",
		id: "tokens.id",
	}).execute();
	return rows.map(toToken);
}

/**
 * Takes effect with the next request. Returns whether there is such a token within reach: of this tenant, if
 * one is given, and of one of these roles.
 */
export async function revokeToken(
	db: Db,
	id: TokenId,
	reach: {
		readonly tenant: TenantId | undefined;
		readonly roles: readonly Role[];
	},
): Promise<boolean> {
	let query = db
		.updateTable("tokens")
		.set((eb) => ({
			revoked_at: eb.fn.coalesce("revoked_at", sql<Date>`now()`),
		}))
		.where("id", "=", id)
		.where("role", "in", reach.roles);
	if (reach.tenant !== undefined) {
		query = query.where("tenant_id", "=", reach.tenant);
	}
	const result = await query.executeTakeFirst();
	return result.numUpdatedRows > 0n;
}
