// Orders looks at what differs, when it is time for them. Any number of processes may: an environment is taken by one.
import type { Operation } from "../domain/operation.ts";
import { takeDueForDrift } from "../store/health.ts";
import { orderRefresh } from "./refresh.ts";
import { nudge, type VerbContext } from "./request.ts";

/** So few at a time that an order which comes meanwhile waits for no more than these. */
const atATime = 2;

const service = { name: "impresario" };

/** One pass. Returns what was ordered. A repair on schedule leaves alone what is dangerous: it fails, and says so. */
export async function orderDriftLooks(
	context: VerbContext,
): Promise<Operation[]> {
	const ordered = await context.db.transaction().execute(async (trx) => {
		const operations: Operation[] = [];
		for (const { environment, repair } of await takeDueForDrift(trx, atATime)) {
			operations.push(
				await orderRefresh({ ...context, db: trx }, service, {
					environment: { id: environment },
					options: { repair, acknowledge: false },
				}),
			);
		}
		return operations;
	});
	for (const operation of ordered) nudge(context, operation);
	return ordered;
}
