// From an order to its claim by a worker that has nothing else to do.
import type { Caller } from "../../test/support/service.ts";
import { findPercentile, type Readings } from "../statistics.ts";

export const claims = 50;

/**
 * One order at a time. Both times are the database's: the beginning of the transaction that takes the order,
 * which is before its 202, and the claim. So it is a little more than what passes between answer and claim.
 * Milliseconds.
 */
export async function measureClaims(tenant: Caller): Promise<Readings> {
	const waits: number[] = [];
	for (let i = 0; i < claims; i++) {
		const order = await tenant.call("POST", "/v1/environments", {
			name: `claim-${i}`,
		});
		if (order.status !== 202) throw new Error(JSON.stringify(order.body));
		const operation = await tenant.end(String(order.body.id));
		waits.push(
			Date.parse(String(operation.startedAt)) -
				Date.parse(String(operation.createdAt)),
		);
	}
	return {
		p50: findPercentile(waits, 50),
		p95: findPercentile(waits, 95),
		max: findPercentile(waits, 100),
	};
}
