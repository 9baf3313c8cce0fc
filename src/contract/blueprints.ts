import { z } from "zod";
import { environmentSpec } from "../domain/spec.ts";
import type { Endpoint } from "./endpoint.ts";
import { pageOf } from "./page.ts";

export const blueprint = z.strictObject({
	name: z.string(),
	/** The version that new revisions get. */
	version: z.string(),
	/** What may be sent to order an environment of it, as a JSON Schema (2020-12). */
	inputSchema: z.record(z.string(), z.unknown()),
});

/** The order's own schema, as callers may read it: with its defaults, before they are filled in. */
export const presentInputSchema = (): Record<string, unknown> => ({
	...z.toJSONSchema(environmentSpec, { io: "input" }),
});

export const listBlueprints = {
	name: "listBlueprints",
	summary: "List the blueprints, with what each of them takes.",
	method: "GET",
	path: "/v1/blueprints",
	permission: "catalogue:read",
	status: 200,
	response: pageOf(blueprint),
} as const satisfies Endpoint;
