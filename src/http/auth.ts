// Who calls, and may they. Nothing is remembered between requests, so that a revoked token is refused at once.
import { findRule, nameSubject } from "../domain/identity.ts";
import { nameSubjectId } from "../domain/ids.ts";
import {
	hasPermission,
	leastRoles,
	type Permission,
} from "../domain/permission.ts";
import { admitsPermission, describeScope } from "../domain/scope.ts";
import type { Actor } from "../domain/tenant.ts";
import { hashToken, looksLikeToken } from "../domain/token.ts";
import { Failure } from "../failure.ts";
import type { Db } from "../store/db.ts";
import { listRulesOf } from "../store/identity-rules.ts";
import { findUser, noteUse } from "../store/tokens.ts";
import type { Verifier, Voucher } from "./oidc.ts";

/**
 * The caller, by the request's `Authorization` header (RFC 6750 §2.1). Throws `unauthenticated`, without
 * telling an unknown machine token from a revoked or expired one; `forbidden` for whom an identity provider vouches and no
 * rule knows; `unavailable` when that provider must be asked and is away.
 */
export async function loadActor(
	{ db, verifier }: { readonly db: Db; readonly verifier: Verifier },
	authorization: string | undefined,
): Promise<Actor> {
	if (authorization === undefined) {
		throw refuseCaller("The request has no token.");
	}
	const [, text] = /^bearer +(\S+)$/i.exec(authorization.trim()) ?? [];
	if (text === undefined) {
		throw refuseCaller("The Authorization header is not of the form Bearer.");
	}
	if (!text.startsWith("imp_")) {
		return loadSubject(db, await verifier.verify(text));
	}
	const user = looksLikeToken(text)
		? await findUser(db, hashToken(text))
		: undefined;
	if (user === undefined) {
		throw refuseCaller("The token is unknown, expired or revoked.");
	}
	// Nobody waits for it, and a request is not refused for want of it.
	if (user.isUseDue) noteUse(db, user.actor.token).catch(() => {});
	return user.actor;
}

/** What the rules make of whom an issuer vouches for. Throws `forbidden` when none fits. */
async function loadSubject(db: Db, voucher: Voucher): Promise<Actor> {
	const { issuer, subject, claims, expiresAt } = voucher;
	const rule = findRule(await listRulesOf(db, issuer), claims);
	if (rule === undefined) {
		throw new Failure({
			code: "forbidden",
			message: `No rule says what "${subject}" of ${issuer} may do here.`,
			untouched: "Nothing was looked at or changed.",
			advice:
				"Ask a platform admin for a rule that your token's claims fit: POST /v1/identity-rules.",
		});
	}
	const { kind, role, owner, permissions, environments } = rule;
	return {
		token: nameSubjectId(issuer, subject),
		kind,
		name: nameSubject(subject, claims),
		tenant: owner,
		role,
		scope: { permissions, environments },
		expiresAt,
	};
}

function refuseCaller(message: string): Failure {
	return new Failure({
		code: "unauthenticated",
		message,
		untouched: "Nothing was looked at or changed.",
		advice:
			'Send "Authorization: Bearer <token>" with a token that an admin of your tenant made.',
	});
}

/** Throws `forbidden` when the caller's role is below the one that the permission asks for, or his token is not for it. */
export function checkPermission(
	actor: Actor | undefined,
	permission: Permission | null,
): void {
	if (actor === undefined || permission === null) return;
	if (!hasPermission(actor.role, permission))
		throw refuseRole(actor, permission);
	if (admitsPermission(actor.scope, permission)) return;
	throw new Failure({
		code: "forbidden",
		message: `This needs the permission "${permission}", and "${actor.name}" is for ${describeScope(actor.scope)}.`,
		untouched: "Nothing was changed.",
		advice: "Use a token whose `permissions` have it, or ask for one.",
	});
}

function refuseRole(actor: Actor, permission: Permission): Failure {
	return new Failure({
		code: "forbidden",
		message: `This needs the permission "${permission}", which begins with the role "${leastRoles[permission]}"; yours is "${actor.role}".`,
		untouched: "Nothing was changed.",
		advice: "Ask somebody who has that role for a token, or to do it for you.",
	});
}

/** Whether two looks at a caller found the same rights. */
export const mayTheSame = (one: Actor, other: Actor): boolean =>
	one.tenant.id === other.tenant.id &&
	one.role === other.role &&
	JSON.stringify(one.scope) === JSON.stringify(other.scope);
