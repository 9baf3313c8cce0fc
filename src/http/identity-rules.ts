import {
	createIdentityRule,
	deleteIdentityRule,
	listIdentityRules,
} from "../contract/identity-rules.ts";
import { refuseInput } from "../contract/parse.ts";
import type { IdentityRule } from "../domain/identity.ts";
import {
	createIdentityRule as createRow,
	deleteIdentityRule as deleteRow,
	listIdentityRules as listRows,
} from "../store/identity-rules.ts";
import { findTenant } from "../store/tenants.ts";
import { bind, type Route } from "./bind.ts";
import { checkGift, decideScopeOf } from "./gift.ts";
import { readPage } from "./page.ts";
import { refuseMissing } from "./visible.ts";

const present = (rule: IdentityRule) => ({
	id: rule.id,
	issuer: rule.issuer,
	claims: { ...rule.claims },
	kind: rule.kind,
	tenant: rule.tenant,
	role: rule.role,
	permissions: rule.permissions && [...rule.permissions],
	environments: rule.environments,
	createdAt: rule.createdAt.toISOString(),
});

export const identityRuleRoutes: readonly Route[] = [
	bind(listIdentityRules, async ({ db, pageKey }, { query }) => {
		const { rows, nextPageToken } = await readPage(
			{ key: pageKey, list: [listIdentityRules.name], query },
			(page) => listRows(db, page),
		);
		return { items: rows.map(present), nextPageToken };
	}),

	bind(createIdentityRule, async ({ db }, { actor, body }) => {
		const tenant = await findTenant(db, body.tenant);
		if (tenant === undefined) {
			throw refuseInput([{ pointer: "/tenant", message: "does not exist" }]);
		}
		const { issuer, claims, kind, role } = body;
		const scope = decideScopeOf(actor, body);
		checkGift(actor, { tenant, role, scope });
		const rule = { issuer, claims, kind, role, scope, tenant: tenant.id };
		return present(await createRow(db, rule));
	}),

	bind(deleteIdentityRule, async ({ db }, { params }) => {
		if (await deleteRow(db, params.id)) return undefined;
		throw refuseMissing("identity rule", params.id);
	}),
];
