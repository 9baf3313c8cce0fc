// What a caller may see. Another tenant's things are not there, word for word like what does not exist.
import type { Environment } from "../domain/environment.ts";
import type { EnvironmentId } from "../domain/ids.ts";
import type { Operation } from "../domain/operation.ts";
import { admitsEnvironment, describeScope } from "../domain/scope.ts";
import { type Actor, mayActAs, type Tenant } from "../domain/tenant.ts";
import { Failure } from "../failure.ts";
import type { Db } from "../store/db.ts";
import {
	findEnvironment,
	loadEnvironment,
	type Scope,
} from "../store/environments.ts";
import { findOperation } from "../store/operations.ts";
import { findTenant } from "../store/tenants.ts";

/** A platform admin sees all tenants; everyone else their own. */
export const decideScope = (actor: Actor): Scope =>
	mayActAs(actor.role, "platform-admin") ? undefined : actor.tenant.id;

export function refuseMissing(what: string, name: string): Failure {
	return new Failure({
		code: "not_found",
		message: `There is no ${what} "${name}".`,
		untouched: "Nothing was changed.",
		advice: `Check the ${what} that the path names; it may belong to another tenant or be gone.`,
	});
}

/** The caller's own, or whichever for a platform admin. Throws `not_found`. */
export async function loadVisibleTenant(
	db: Db,
	actor: Actor,
	name: string,
): Promise<Tenant> {
	const scope = decideScope(actor);
	const tenant = await findTenant(db, name);
	if (tenant === undefined || (scope !== undefined && tenant.id !== scope))
		throw refuseMissing("tenant", name);
	return tenant;
}

/** Throws `forbidden` for an environment of this name, existing or not, that the caller's token is not for. */
export function requireAdmitted(actor: Actor, name: string): void {
	if (admitsEnvironment(actor.scope, name)) return;
	throw new Failure({
		code: "forbidden",
		message: `"${actor.name}" is for ${describeScope(actor.scope)}, and this one is named "${name}".`,
		untouched: "Nothing was changed.",
		advice: "Use a token whose `environments` has it, or ask for one.",
	});
}

/** Throws `forbidden` where what is asked concerns environments whatever they are named. */
export function requireAllEnvironments(actor: Actor): void {
	if (actor.scope.environments === null) return;
	throw new Failure({
		code: "forbidden",
		message: `This concerns all environments, and "${actor.name}" is for ${describeScope(actor.scope)}.`,
		untouched: "Nothing was changed.",
		advice: "Use a token without `environments`, or ask for one.",
	});
}

/** By id, or by name within the caller's own tenant. Throws `not_found`, and `forbidden` outside of a token's scope. */
export async function loadVisibleEnvironment(
	db: Db,
	actor: Actor,
	idOrName: string,
): Promise<Environment> {
	const environment = await findEnvironment(db, {
		idOrName,
		scope: decideScope(actor),
		tenant: actor.tenant.id,
	});
	if (environment === undefined) throw refuseMissing("environment", idOrName);
	requireAdmitted(actor, environment.name);
	return environment;
}

/** Throws `forbidden` where it belongs to an environment that the caller's token is not for. */
export async function requireAdmittedOwner(
	db: Db,
	actor: Actor,
	owner: EnvironmentId,
): Promise<void> {
	if (actor.scope.environments === null) return;
	requireAdmitted(actor, (await loadEnvironment(db, owner)).name);
}

/** Throws `not_found`, and `forbidden` outside of a token's scope. */
export async function loadVisibleOperation(
	db: Db,
	actor: Actor,
	id: string,
): Promise<Operation> {
	const operation = await findOperation(db, id, decideScope(actor));
	if (operation === undefined) throw refuseMissing("operation", id);
	await requireAdmittedOwner(db, actor, operation.environment);
	return operation;
}
