// Who calls, and may they. Nothing is remembered between requests, so that a revoked token is refused at once.
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
import { findUser, noteUse } from "../store/tokens.ts";

/**
 * The caller, by the request's `Authorization` header (RFC 6750 §2.1). Throws `unauthenticated`, without
 * telling an unknown token from a revoked or expired one.
 */
export async function loadActor(
	db: Db,
	authorization: string | undefined,
): Promise<Actor> {
	if (authorization === undefined) {
		throw refuseCaller("The request has no token.");
	}
	const [, text] = /^bearer +(\S+)$/i.exec(authorization.trim()) ?? [];
	if (text === undefined) {
		throw refuseCaller("The Authorization header is not of the form Bearer.");
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
