// Orders a look at what differs from what was applied, and, if wished, its repair. The revision stays what it is.
import { isDeepStrictEqual } from "node:util";
import { type Environment, refusal } from "../domain/environment.ts";
import type { Operation, OperationOptions } from "../domain/operation.ts";
import type { Orderer } from "../domain/tenant.ts";
import { Failure } from "../failure.ts";
import { transact } from "../store/db.ts";
import { lockEnvironment } from "../store/environments.ts";
import { findOpenOperation } from "../store/operations.ts";
import { nudge, request, type VerbContext } from "./request.ts";

/** What a refresh does beside looking. */
export interface RefreshOptions {
	readonly repair: boolean;
	readonly acknowledge: boolean;
}

/**
 * Waits its turn behind an operation that moves nothing. Asked again for the same while it is on its way, the same
 * operation is returned. Throws `conflict` when the state of the environment forbids it.
 */
export async function refreshEnvironment(
	context: VerbContext,
	actor: Orderer,
	order: {
		readonly environment: Pick<Environment, "id">;
		readonly options: RefreshOptions;
	},
): Promise<Operation> {
	const operation = await transact(context.db, (trx) =>
		orderRefresh({ ...context, db: trx }, actor, order),
	);
	nudge(context, operation);
	return operation;
}

/** The same within a transaction of the caller's, who nudges after it. */
export async function orderRefresh(
	{ db }: VerbContext,
	actor: Orderer,
	{
		environment,
		options,
	}: {
		readonly environment: Pick<Environment, "id">;
		readonly options: RefreshOptions;
	},
): Promise<Operation> {
	const current = await lockEnvironment(db, environment.id);
	const reason = refusal("refresh", current);
	if (reason !== undefined) {
		throw new Failure({
			code: "conflict",
			message: reason,
			untouched: "Nothing was ordered.",
			advice: "Order it when the environment is ready.",
		});
	}
	const wished: OperationOptions = options.repair
		? { repair: true, acknowledge: options.acknowledge }
		: { repair: false };
	const underway = await findOpenOperation(db, current.id, "refresh");
	if (underway !== undefined && isDeepStrictEqual(underway.options, wished))
		return underway;
	return request(db, {
		environment: current.id,
		kind: "refresh",
		revisionFrom: current.revision,
		// What runs is what it is compared with, and what a repair applies.
		revisionTo: current.revision,
		actor,
		options: wished,
	});
}
