import { z } from "zod";
import { findings } from "../domain/leftover.ts";
import { byId, type Endpoint } from "./endpoint.ts";
import { pageOf } from "./page.ts";

export const leftover = z.strictObject({
	finding: z
		.enum(findings)
		.describe(
			"stray: no living environment has it. missing: an environment's state names it, and it does not exist. unknown: it is in a living environment's place, and its state does not know it.",
		),
	target: z.string(),
	/** Id of the environment, as far as the thing tells of one. */
	environment: z.string().nullable(),
	tenant: z.string().nullable(),
	namespace: z.string().nullable(),
	/** `apps/v1/Deployment`, or the engine's type for what is not in Kubernetes. */
	kind: z.string(),
	name: z.string(),
	advice: z.string(),
});

export const listLeftovers = {
	name: "listLeftovers",
	summary:
		"Look at the targets for what exists without a living environment, and for what an environment lacks.",
	method: "GET",
	path: "/v1/leftovers",
	permission: "leftovers:read",
	query: z.strictObject({
		/** By id: only what concerns this environment. A destroyed one has an id, too. */
		environment: byId.shape.id.optional(),
	}),
	status: 200,
	refuses: ["not_found"],
	response: pageOf(leftover).extend({
		lookedAt: z.iso.datetime(),
		/** One that did not answer whole says why; what it did answer is among the items. */
		targets: z.array(
			z.strictObject({
				name: z.string(),
				reachable: z.boolean(),
				error: z.string().nullable(),
			}),
		),
		/** There is more than the items tell. */
		isCut: z.boolean(),
		/** Ids of the environments of which nothing is said, because something moved them meanwhile. */
		leftOut: z.array(z.string()),
	}),
} as const satisfies Endpoint;
