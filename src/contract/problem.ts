// How a refusal looks: a problem document (RFC 9457), media type `application/problem+json`.
import { z } from "zod";
import { failureCodes } from "../failure.ts";

export const problemMediaType = "application/problem+json";

export const problem = z.strictObject({
	type: z
		.string()
		.meta({ format: "uri-reference" })
		.describe("Leads to the page of this code, `/problems/{code}`."),
	/** The same for every problem of this type. */
	title: z.string(),
	status: z.int(),
	/** What is wrong here, and where. */
	detail: z.string(),
	/** The path that was asked for. */
	instance: z.string(),
	code: z.enum(failureCodes),
	/** Whether the very same request may succeed later. */
	retryable: z.boolean(),
	/** Every wrong place; see `parse.ts` for how places are written. */
	errors: z.array(z.strictObject({ pointer: z.string(), message: z.string() })),
	requestId: z.string(),
	untouched: z.string().optional(),
	advice: z.string().optional(),
});

export type Problem = z.output<typeof problem>;
