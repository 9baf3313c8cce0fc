// What each problem's `type` leads to.
import { z } from "zod";
import { type FailureCode, failureCodes } from "../failure.ts";
import type { Endpoint } from "./endpoint.ts";
import { problemKinds } from "./problems.ts";

export const problemPage = z.strictObject({
	code: z.enum(failureCodes),
	title: z.string(),
	status: z.int(),
	/** What happened. */
	happened: z.string(),
	/** What was left as it was. */
	untouched: z.string(),
	/** What to do next. */
	advice: z.string(),
});

export type ProblemPage = z.output<typeof problemPage>;

export const presentProblemPage = (code: FailureCode): ProblemPage => ({
	code,
	...problemKinds[code],
});

const byCode = z.strictObject({
	code: z.string().regex(/^[a-z_]{1,64}$/, "is no code of a problem"),
});

export const listProblems = {
	name: "listProblems",
	summary: "List the problems that requests and operations can have.",
	method: "GET",
	path: "/problems",
	permission: null,
	status: 200,
	response: z.strictObject({ items: z.array(problemPage) }),
	page: true,
} as const satisfies Endpoint;

export const findProblem = {
	name: "findProblem",
	summary:
		"Read what a problem means: what happened, what was left untouched, and what to do.",
	method: "GET",
	path: "/problems/{code}",
	permission: null,
	params: byCode,
	status: 200,
	response: problemPage,
	page: true,
} as const satisfies Endpoint;
