import type { ClaimPatterns, IdentityRule } from "../domain/identity.ts";
import {
	createIdentityRuleId,
	type IdentityRuleId,
	type TenantId,
} from "../domain/ids.ts";
import type { ActorKind, Role, Scope, Tenant } from "../domain/tenant.ts";
import type { Db } from "./db.ts";
import { newestFirst, type PageRequest, readPage } from "./page.ts";
import { toOwner } from "./tokens.ts";

const selectRules = (db: Db) =>
	db
		.selectFrom("identity_rules as r")
		.innerJoin("tenants as t", "t.id", "r.tenant_id")
		.selectAll("r")
		.select([
			"t.name as tenant_name",
			"t.settings as tenant_settings",
			"t.approvals as tenant_approvals",
			"t.created_at as tenant_created_at",
		]);

type Row = Awaited<
	ReturnType<ReturnType<typeof selectRules>["executeTakeFirstOrThrow"]>
>;

const toRule = (row: Row): IdentityRule => ({
	id: row.id,
	issuer: row.issuer,
	claims: row.claims,
	kind: row.kind,
	tenant: row.tenant_name,
	role: row.role,
	permissions: row.permissions,
	environments: row.environments,
	createdAt: row.created_at,
});

export async function createIdentityRule(
	db: Db,
	rule: {
		readonly issuer: string;
		readonly claims: ClaimPatterns;
		readonly kind: ActorKind;
		readonly tenant: TenantId;
		readonly role: Role;
		readonly scope: Scope;
	},
): Promise<IdentityRule> {
	const id = createIdentityRuleId();
	const { permissions, environments } = rule.scope;
	await db
		.insertInto("identity_rules")
		.values({
			id,
			issuer: rule.issuer,
			claims: JSON.stringify(rule.claims),
			kind: rule.kind,
			tenant_id: rule.tenant,
			role: rule.role,
			permissions: permissions && JSON.stringify(permissions),
			environments,
		})
		.execute();
	return toRule(
		await selectRules(db).where("r.id", "=", id).executeTakeFirstOrThrow(),
	);
}

/** Of an issuer, oldest first, each with the tenant that it leads to. */
export async function listRulesOf(
	db: Db,
	issuer: string,
): Promise<(IdentityRule & { readonly owner: Tenant })[]> {
	const rows = await selectRules(db)
		.where("r.issuer", "=", issuer)
		.orderBy("r.created_at")
		.orderBy("r.id")
		.execute();
	return rows.map((row) => ({ ...toRule(row), owner: toOwner(row) }));
}

/** Newest first. */
export async function listIdentityRules(
	db: Db,
	page: PageRequest,
): Promise<IdentityRule[]> {
	const query = selectRules(db);
	const rows = await readPage(query, page, {
		...newestFirst,
		column: "r.created_at",
		id: "r.id",
	}).execute();
	return rows.map(toRule);
}

/** Takes effect with the next request. Returns whether there was such a rule. */
export async function deleteIdentityRule(db: Db, id: string): Promise<boolean> {
	const result = await db
		.deleteFrom("identity_rules")
		.where("id", "=", id as IdentityRuleId)
		.executeTakeFirst();
	return result.numDeletedRows > 0n;
}
