// What a caller may see. Another tenant's things are not there, word for word like what does not exist.
import type { Environment } from "../domain/environment.ts";
import type { Operation } from "../domain/operation.ts";
import { type Actor, mayActAs } from "../domain/tenant.ts";
import { Failure } from "../failure.ts";
import type { Db } from "../store/db.ts";
import { findEnvironment, type Scope } from "../store/environments.ts";
import { findOperation } from "../store/operations.ts";

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

/** By id, or by name within the caller's own tenant. Throws `not_found`. */
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
	return environment;
}

/** Throws `not_found`. */
export async function loadVisibleOperation(
	db: Db,
	actor: Actor,
	id: string,
): Promise<Operation> {
	const operation = await findOperation(db, id, decideScope(actor));
	if (operation === undefined) throw refuseMissing("operation", id);
	return operation;
}
