import { z } from "zod";
import type { Endpoint } from "./endpoint.ts";

export const readDocument = {
	name: "readDocument",
	summary: "Read this description of the API, as OpenAPI 3.1.",
	method: "GET",
	path: "/v1/openapi.json",
	permission: null,
	status: 200,
	response: z.looseObject({
		openapi: z.string(),
		info: z.record(z.string(), z.unknown()),
		paths: z.record(z.string(), z.unknown()),
	}),
} as const satisfies Endpoint;
