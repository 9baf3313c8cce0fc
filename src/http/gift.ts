// What a caller may give to others, by a token or by a rule: at most what he has himself.
import { refuseInput } from "../contract/parse.ts";
import { describeScope, listBeyond } from "../domain/scope.ts";
import {
	type Actor,
	mayActAs,
	platformTenant,
	type Role,
	type Scope,
	type Tenant,
} from "../domain/tenant.ts";
import { Failure } from "../failure.ts";

export interface Gift {
	readonly tenant: Pick<Tenant, "name">;
	readonly role: Role;
	readonly scope: Scope;
}

/** What is not said is as the giver's own. */
export const decideScopeOf = (
	{ scope }: Actor,
	asked: {
		readonly permissions?: readonly string[] | undefined;
		readonly environments?: string | undefined;
	},
): Scope => ({
	permissions: asked.permissions ?? scope.permissions,
	environments: asked.environments ?? scope.environments,
});

/** Throws `forbidden` for what is beyond the giver's own, and `invalid_request` for a role that the tenant cannot have. */
export function checkGift(actor: Actor, { tenant, role, scope }: Gift): void {
	if (!mayActAs(actor.role, role)) {
		throw refuseGift(
			`The role "${role}" is above your own, "${actor.role}".`,
			"Give a role up to your own.",
			["role"],
		);
	}
	const beyond = listBeyond(scope, actor.scope);
	if (beyond.length > 0) {
		throw refuseGift(
			`You are for ${describeScope(actor.scope)}, and this would be for ${describeScope(scope)}.`,
			"Give no more than what you have yourself.",
			beyond,
		);
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

/**
 * When a token ends that the caller makes; null: never. What a machine makes ends with the machine's own token: else one
 * that was stolen for an hour would be worth as much as one for ever. Throws `invalid_request` and `forbidden`.
 */
export function decideExpiry(
	{ kind, expiresAt: own }: Actor,
	asked: string | undefined,
): Date | null {
	const bound = kind === "machine" ? own : null;
	if (asked === undefined) return bound;
	const expiresAt = new Date(asked);
	if (expiresAt.getTime() <= Date.now()) {
		throw refuseInput([{ pointer: "/expiresAt", message: "is in the past" }]);
	}
	if (bound !== null && expiresAt > bound) {
		throw refuseGift(
			`Your own token ends at ${bound.toISOString()}, and this one would outlive it.`,
			"Let it end no later than yours.",
			["expiresAt"],
		);
	}
	return expiresAt;
}

const refuseGift = (
	message: string,
	advice: string,
	fields: readonly string[],
): Failure =>
	new Failure({
		code: "forbidden",
		message,
		untouched: "Nothing was made.",
		advice,
		errors: fields.map((field) => ({
			pointer: `/${field}`,
			message: "is beyond your own",
		})),
	});
