import { z } from "zod";
import {
	operationKinds,
	operationStates,
	phaseNames,
} from "../domain/operation.ts";
import { failureCodes } from "../failure.ts";
import { byId, type Endpoint } from "./endpoint.ts";
import { pageOf, pageQuery } from "./page.ts";

const time = z.iso.datetime();
const count = z.int().min(0);

export const operation = z.strictObject({
	id: z.string(),
	environment: z.string(),
	kind: z.enum(operationKinds),
	/** Final: succeeded, failed, timed_out, superseded. */
	state: z.enum(operationStates),
	phase: z.enum(phaseNames).nullable(),
	attempt: count,
	/** `to` is null for a destroy. */
	revision: z.strictObject({
		from: z.int().nullable(),
		to: z.int().nullable(),
	}),
	phases: z.array(
		z.strictObject({
			name: z.enum(phaseNames),
			state: z.enum(["running", "succeeded", "failed"]),
			startedAt: time,
			finishedAt: time.nullable(),
		}),
	),
	changes: z.strictObject({
		create: count,
		update: count,
		replace: count,
		delete: count,
		same: count,
	}),
	/** How many are before it (`farthestPlace`: that many or more), and which of its own environment must end first. */
	queue: z.strictObject({
		position: count,
		waitingFor: z.string().nullable(),
	}),
	requestedBy: z.string(),
	createdAt: time,
	startedAt: time.nullable(),
	finishedAt: time.nullable(),
	deadlineAt: time.nullable(),
	error: z
		.strictObject({
			code: z.enum(failureCodes),
			message: z.string(),
			untouched: z.string().optional(),
			advice: z.string().optional(),
			retryable: z.boolean(),
		})
		.nullable(),
});

export const findOperation = {
	name: "findOperation",
	summary: "Look at an operation.",
	method: "GET",
	path: "/v1/operations/{id}",
	role: "viewer",
	params: byId,
	status: 200,
	response: operation,
} as const satisfies Endpoint;

export const listOperations = {
	name: "listOperations",
	summary: "List the operations of an environment, newest first.",
	method: "GET",
	path: "/v1/environments/{id}/operations",
	role: "viewer",
	params: byId,
	query: pageQuery,
	status: 200,
	response: pageOf(operation),
} as const satisfies Endpoint;
