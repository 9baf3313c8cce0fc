// For the platform that runs the service: no token is needed, and nothing is told that one would protect.
import { z } from "zod";
import type { Endpoint } from "./endpoint.ts";

export const checkAlive = {
	name: "checkAlive",
	summary: "Whether the process answers. Asks nothing else.",
	method: "GET",
	path: "/healthz",
	permission: null,
	status: 200,
	response: z.strictObject({ status: z.literal("alive") }),
} as const satisfies Endpoint;

export const checkReady = {
	name: "checkReady",
	summary:
		"Whether requests can be served; otherwise a 503 whose errors name what is missing. Degraded: they can, but not all goes on behind them.",
	method: "GET",
	path: "/readyz",
	permission: null,
	status: 200,
	response: z.strictObject({
		status: z.enum(["ready", "degraded"]),
		checks: z.array(
			z.strictObject({
				name: z.string(),
				status: z.enum(["passed", "failed"]),
				message: z.string(),
			}),
		),
	}),
} as const satisfies Endpoint;

export const findVersion = {
	name: "findVersion",
	summary: "Which version of the service answers.",
	method: "GET",
	path: "/version",
	permission: null,
	status: 200,
	response: z.strictObject({
		name: z.literal("impresario"),
		version: z.string(),
	}),
} as const satisfies Endpoint;
