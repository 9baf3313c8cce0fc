// A token can be given by whoever may do all that it allows, and nobody else.
import { refuseInput } from "../contract/parse.ts";
import { createToken, listTokens, revokeToken } from "../contract/tokens.ts";
import type { TokenId } from "../domain/ids.ts";
import { describeScope, isWhole, listBeyond } from "../domain/scope.ts";
import { type Actor, mayActAs, rolesWithin } from "../domain/tenant.ts";
import { createTokenText, hashToken } from "../domain/token.ts";
import { Failure } from "../failure.ts";
import type { Db } from "../store/db.ts";
import { findTenant } from "../store/tenants.ts";
import {
	createToken as createRow,
	findToken,
	listTokens as listRows,
	revokeToken as revokeRow,
} from "../store/tokens.ts";
import { bind, type Route } from "./bind.ts";
import { checkGift, decideExpiry, decideScopeOf } from "./gift.ts";
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

/** Throws `forbidden` where a token has more than the caller, who may revoke his own all the same. */
async function checkReach(db: Db, actor: Actor, id: TokenId): Promise<void> {
	if (isWhole(actor.scope) || id === actor.token) return;
	const token = await findToken(db, id, decideScope(actor));
	if (token === undefined || listBeyond(token, actor.scope).length === 0)
		return;
	throw new Failure({
		code: "forbidden",
		message: `The token is for ${describeScope(token)}, and "${actor.name}" is for ${describeScope(actor.scope)}.`,
		untouched: "It was not revoked.",
		advice: "Use a token that has no narrower scope.",
	});
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
		const scope = decideScopeOf(actor, body);
		checkGift(actor, { tenant, role: body.role, scope });
		const text = createTokenText();
		const token = await createRow(db, {
			tenant: tenant.id,
			name: body.name,
			role: body.role,
			hash: hashToken(text),
			expiresAt: decideExpiry(actor, body.expiresAt),
			scope,
		});
		return { ...presentToken(token), token: text };
	}),

	bind(revokeToken, async ({ db }, { actor, params }) => {
		const id = params.id as TokenId;
		await checkReach(db, actor, id);
		const isThere = await revokeRow(db, id, {
			tenant: decideScope(actor),
			roles: rolesWithin(actor.role),
		});
		if (!isThere) throw refuseMissing("token", params.id);
		return undefined;
	}),
];
