// A token can be given by whoever may do all that it allows, and nobody else.
import { refuseInput } from "../contract/parse.ts";
import { createToken, listTokens, revokeToken } from "../contract/tokens.ts";
import type { TokenId } from "../domain/ids.ts";
import {
	type Actor,
	mayActAs,
	platformTenant,
	type Role,
	rolesWithin,
} from "../domain/tenant.ts";
import { createTokenText, hashToken } from "../domain/token.ts";
import { Failure } from "../failure.ts";
import type { Db } from "../store/db.ts";
import { findTenant } from "../store/tenants.ts";
import {
	createToken as createRow,
	listTokens as listRows,
	revokeToken as revokeRow,
} from "../store/tokens.ts";
import { bind, type Route } from "./bind.ts";
import { readPage } from "./page.ts";
import { presentToken } from "./present.ts";
import { decideScope, refuseMissing } from "./visible.ts";

/** Throws `forbidden` for another tenant, existing or not, unless a platform admin asks. */
async function loadNamedTenant(
	db: Db,
	actor: Actor,
	named: { readonly name: string; readonly pointer: string },
): Promise<Actor["tenant"]> {
	if (named.name === actor.tenant.name) return actor.tenant;
	if (!mayActAs(actor.role, "platform-admin")) {
		throw new Failure({
			code: "forbidden",
			message: "Only a platform admin may name another tenant.",
			untouched: "Nothing was changed.",
			advice: "Leave the tenant out: your own is meant then.",
			errors: [{ pointer: named.pointer, message: "is not your tenant" }],
		});
	}
	const tenant = await findTenant(db, named.name);
	if (tenant === undefined) {
		throw refuseInput([{ pointer: named.pointer, message: "does not exist" }]);
	}
	return tenant;
}

function checkGift(actor: Actor, tenant: Actor["tenant"], role: Role): void {
	if (!mayActAs(actor.role, role)) {
		throw new Failure({
			code: "forbidden",
			message: `A token of the role "${role}" is above your own, "${actor.role}".`,
			untouched: "No token was made.",
			advice: "Give a role up to your own.",
			errors: [{ pointer: "/role", message: "is above your own" }],
		});
	}
	if (role === "platform-admin" && tenant.name !== platformTenant) {
		throw refuseInput([
			{
				pointer: "/role",
				message: `belongs to the tenant "${platformTenant}" alone`,
			},
		]);
	}
}

function parseExpiry(text: string | undefined): Date | null {
	if (text === undefined) return null;
	const expiresAt = new Date(text);
	if (expiresAt.getTime() > Date.now()) return expiresAt;
	throw refuseInput([{ pointer: "/expiresAt", message: "is in the past" }]);
}

export const tokenRoutes: readonly Route[] = [
	bind(listTokens, async ({ db, pageKey }, { actor, query }) => {
		const tenant =
			query.tenant === undefined
				? decideScope(actor)
				: (
						await loadNamedTenant(db, actor, {
							name: query.tenant,
							pointer: "/query/tenant",
						})
					).id;
		const { rows, nextPageToken } = await readPage(
			{ key: pageKey, list: [listTokens.name, tenant], query },
			(page) => listRows(db, tenant, page),
		);
		return { items: rows.map(presentToken), nextPageToken };
	}),

	bind(createToken, async ({ db }, { actor, body }) => {
		const tenant = await loadNamedTenant(db, actor, {
			name: body.tenant ?? actor.tenant.name,
			pointer: "/tenant",
		});
		checkGift(actor, tenant, body.role);
		const text = createTokenText();
		const token = await createRow(db, {
			tenant: tenant.id,
			name: body.name,
			role: body.role,
			hash: hashToken(text),
			expiresAt: parseExpiry(body.expiresAt),
		});
		return { ...presentToken(token), token: text };
	}),

	bind(revokeToken, async ({ db }, { actor, params }) => {
		const isThere = await revokeRow(db, params.id as TokenId, {
			tenant: decideScope(actor),
			roles: rolesWithin(actor.role),
		});
		if (!isThere) throw refuseMissing("token", params.id);
		return undefined;
	}),
];
