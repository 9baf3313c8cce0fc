// What nobody has ordered, and what an order has lost.
import { listLeftovers } from "../contract/leftovers.ts";
import { findLeftovers } from "../operations/leftovers.ts";
import { bind, type Route } from "./bind.ts";
import { presentLeftovers } from "./present.ts";
import { loadVisibleEnvironment, requireAllEnvironments } from "./visible.ts";

export const leftoverRoutes: readonly Route[] = [
	bind(listLeftovers, async ({ db, verbs, reach, log }, { actor, query }) => {
		if (query.environment === undefined) requireAllEnvironments(actor);
		const environment =
			query.environment === undefined
				? undefined
				: await loadVisibleEnvironment(db, actor, query.environment);
		return presentLeftovers(
			await findLeftovers(
				{ db, sealKey: verbs.sealKey, reach, log },
				environment,
			),
		);
	}),
];
