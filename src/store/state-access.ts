// Whose stacks are whose.
import type { EnvironmentId, OperationId, TenantId } from "../domain/ids.ts";
import { activeStates, takesTurn } from "../domain/operation.ts";
import type { Db } from "./db.ts";
import type { Lease } from "./leases.ts";

/** Whose stacks may be seen. `all`: everybody's, and those that belong to no environment. */
export type StackScope =
	| { readonly of: "all" }
	| { readonly of: "tenant"; readonly tenant: TenantId }
	| { readonly of: "environment"; readonly environment: EnvironmentId }
	| { readonly of: "nobody" };

/** The environment that a worker's run is about, as long as the operation is still that worker's. */
export async function findRun(
	db: Db,
	lease: Lease,
): Promise<
	| {
			readonly environment: EnvironmentId;
			readonly operation: OperationId;
			/** It may look at the state and ask what would be done, and no more. */
			readonly isReader: boolean;
	  }
	| undefined
> {
	const row = await db
		.selectFrom("operations")
		.select(["id", "environment_id", "kind"])
		.where("id", "=", lease.operation)
		.where("fence", "=", lease.fence)
		.where("state", "in", activeStates)
		.executeTakeFirst();
	return (
		row && {
			environment: row.environment_id,
			operation: row.id,
			isReader: !takesTurn(row.kind),
		}
	);
}

/** The blueprint of an environment, if it lies within the scope. */
export async function findBlueprint(
	db: Db,
	scope: StackScope,
	environment: EnvironmentId,
): Promise<string | undefined> {
	if (scope.of === "nobody") return undefined;
	if (scope.of === "environment" && scope.environment !== environment) {
		return undefined;
	}
	let query = db
		.selectFrom("environments")
		.select("blueprint")
		.where("id", "=", environment);
	if (scope.of === "tenant") {
		query = query.where("tenant_id", "=", scope.tenant);
	}
	return (await query.executeTakeFirst())?.blueprint;
}
