import { cloneOrder } from "../domain/spec.ts";
import { byId, type Endpoint } from "./endpoint.ts";
import { origin } from "./environments.ts";
import { operation } from "./operations.ts";

export const cloneEnvironment = {
	name: "cloneEnvironment",
	summary:
		"Order an environment that repeats another: blueprint, release, size, parameters and labels of the revision that runs, or ran when the backup was taken whose data it is to begin with. Its secrets are fresh but for those that the answer names.",
	method: "POST",
	path: "/v1/environments/{id}:clone",
	permission: "environments:clone",
	isNamed: true,
	ifMatch: "taken",
	params: byId,
	body: cloneOrder,
	status: 202,
	/** Of the new environment. */
	response: operation.extend({ clonedFrom: origin }),
	orders: true,
	examples: [
		{
			summary: "A copy without data, for a day",
			body: { name: "qa-1-copy", ttl: "1d" },
		},
	],
} as const satisfies Endpoint;
