// Kill-at-every-point: one environment's whole life for each k, in which the worker is killed when it stores the k-th
// journal entry of the create, of the upgrade and of the destroy. Each must end as ordered, by itself.
import assert from "node:assert/strict";
import type { Caller } from "../support/service.ts";
import type { Points } from "./points.ts";

const verbs = ["create", "upgrade", "destroy"] as const;
export type Verb = (typeof verbs)[number];

export interface Life {
	readonly tenant: Caller;
	readonly points: Points;
	readonly name: string;
	/** What it is upgraded to. */
	readonly release: string;
	/** Which entry. */
	readonly sequence: number;
}

const endWithinMs = 300_000;

/** Returns the verbs of which there was such an entry. Throws what did not end as ordered. */
export async function liveAndDie(life: Life): Promise<Verb[]> {
	const { tenant, name, release } = life;
	const path = `/v1/environments/${name}`;
	const orders: Record<Verb, () => ReturnType<Caller["call"]>> = {
		create: () => tenant.call("POST", "/v1/environments", { name }),
		upgrade: () => tenant.call("POST", `${path}:upgrade`, { release }),
		destroy: () => tenant.call("DELETE", path),
	};
	const killed: Verb[] = [];
	for (const verb of verbs) {
		if (await killIn(life, orders[verb])) killed.push(verb);
	}
	return killed;
}

/** Orders, kills on the way, and sees that it succeeds all the same. */
async function killIn(
	{ tenant, points, name, sequence }: Life,
	order: () => ReturnType<Caller["call"]>,
): Promise<boolean> {
	let isOver = false;
	const { killed } = await points.arm({
		environment: name,
		sequence,
		fate: sequence % 2 === 0 ? "kept" : "lost",
		isOver: () => isOver,
	});
	// Awaited below, whatever else fails before.
	killed.catch(() => undefined);
	try {
		const answer = await order();
		assert.equal(answer.status, 202, JSON.stringify(answer.body));
		const operation = await tenant.end(String(answer.body.id), endWithinMs);
		assert.equal(
			operation.state,
			"succeeded",
			`${operation.kind} of ${name}, killed at entry ${sequence}: ${JSON.stringify(operation.error)}`,
		);
	} finally {
		isOver = true;
	}
	return killed;
}
