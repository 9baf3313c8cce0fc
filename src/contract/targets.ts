import { z } from "zod";
import { targetSettings } from "../domain/target.ts";
import type { Endpoint } from "./endpoint.ts";
import { pageOf } from "./page.ts";

/** How a target is reached is nobody's business: it has no field for that. */
export const target = z.strictObject({
	name: z.string(),
	domain: z.string(),
	ingressClass: z.string().nullable(),
	storageClass: z.string().nullable(),
	settings: targetSettings,
	isDefault: z.boolean(),
	createdAt: z.iso.datetime(),
});

export const listTargets = {
	name: "listTargets",
	summary: "List the places that environments can be deployed to.",
	method: "GET",
	path: "/v1/targets",
	permission: "catalogue:read",
	status: 200,
	response: pageOf(target),
} as const satisfies Endpoint;
