import { z } from "zod";
import { endReasons } from "../domain/expiry.ts";
import {
	operationKinds,
	operationStates,
	phaseNames,
} from "../domain/operation.ts";
import { secretNames } from "../domain/secret.ts";
import { notReadyLimit } from "../domain/stock.ts";
import { failureCodes } from "../failure.ts";
import { byId, type Endpoint, type LeadsTo } from "./endpoint.ts";
import { fieldsOf, pageOf, pageQuery, partOf } from "./page.ts";

const time = z.iso.datetime();
const count = z.int().min(0);

export const operation = z.strictObject({
	id: z.string(),
	environment: z.string(),
	kind: z.enum(operationKinds),
	/** Final: succeeded, failed, cancelled, timed_out, superseded, stalled. */
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
			state: z.enum(["running", "succeeded", "failed", "cancelled"]),
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
	queue: z.strictObject({
		position: count.describe(
			"How many are before it, by the order in which workers take them: the tenant with the least under way first. 200: that many or more.",
		),
		waitingFor: z
			.string()
			.nullable()
			.describe("The operation of its own environment that must end first."),
		reason: z
			.string()
			.nullable()
			.describe("Why it does not begin now, as a sentence."),
		expectedStartAt: time
			.nullable()
			.describe(
				"Reckoned from how long the last operations of its kind took; null when nothing is known.",
			),
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
	/** The operation that this one tries again. */
	retryOf: z.string().nullable(),
	/** What the order chose. */
	options: z.strictObject({
		backup: z.enum(["required", "skip"]).optional(),
		onFailure: z.enum(["rollback", "keep"]).optional(),
		data: z.enum(["keep", "restore"]).optional(),
		/** Of a preview: where its result is. Of an order: the preview that it was bound to. */
		preview: z.string().optional(),
		/** Of what the service ordered because an environment's time was over. */
		reason: z.enum(endReasons).optional(),
		/** The backup that is restored, or whose data a new environment begins with. */
		fromBackup: z.string().optional(),
		dataFrom: time.optional(),
		allowOtherVersion: z.boolean().optional(),
		repair: z.boolean().optional(),
		acknowledge: z.boolean().optional(),
		/** The names of those that get new values. */
		secrets: z.array(z.enum(secretNames)).optional(),
	}),
	/** The operation whose end made the service order this one. */
	causedBy: z.string().nullable(),
	/** Who approved it; null where nobody had to, or has not yet. */
	approvedBy: z.string().nullable(),
	/** When the data were written that are lost by what it restores. Until nobody is kept from writing, it ends now. */
	dataLoss: z.strictObject({ from: time, to: time }).nullable(),
	/** `forced`: what was in flight was cut off, and its outcome found out afterwards. */
	cancellation: z
		.strictObject({
			requestedBy: z.string(),
			requestedAt: time,
			forced: z.boolean(),
		})
		.nullable(),
	/** What there was when it ended cancelled or stalled; null when it was not looked for or could not be found out. */
	exists: z
		.array(
			z.strictObject({
				kind: z.string(),
				count,
				notReady: z
					.array(z.strictObject({ name: z.string(), condition: z.string() }))
					.max(notReadyLimit),
			}),
		)
		.nullable(),
});

export const operationLeadsTo: LeadsTo = {
	findOperation: { id: "/id" },
	listOperationEvents: { id: "/id" },
	cancelOperation: { id: "/id" },
	retryOperation: { id: "/id" },
	approveOperation: { id: "/id" },
	rejectOperation: { id: "/id" },
	findEnvironment: { id: "/environment" },
	listEnvironmentEvents: { id: "/environment" },
	listOperations: { id: "/environment" },
	listRevisions: { id: "/environment" },
	listBackups: { id: "/environment" },
	destroyEnvironment: { id: "/environment" },
};

const operationParts = pageOf(partOf(operation));

export const findOperation = {
	name: "findOperation",
	progress: ["state", "phase", "attempt"],
	summary: "Look at an operation.",
	method: "GET",
	path: "/v1/operations/{id}",
	permission: "operations:read",
	params: byId,
	query: z.strictObject({
		wait: z
			.string()
			.regex(/^([1-9]|[1-5][0-9]|60)s$/, "must be 1s to 60s")
			.optional()
			.describe(
				"Answer as soon as its state, phase or attempt is another one, or after this time. With If-None-Match: another one than that ETag tells.",
			),
	}),
	status: 200,
	response: operation,
	leadsTo: operationLeadsTo,
} as const satisfies Endpoint;

export const cancelOperation = {
	name: "cancelOperation",
	summary:
		"Cancel an operation. What has not begun is cancelled at once; what runs is interrupted, and its end tells what exists.",
	method: "POST",
	path: "/v1/operations/{id}:cancel",
	permission: "operations:cancel",
	ifMatch: "taken",
	params: byId,
	status: 202,
	response: operation,
	orders: true,
} as const satisfies Endpoint;

export const retryOperation = {
	name: "retryOperation",
	summary:
		"Try again what failed, stalled, timed out or was cancelled, by a new operation that goes on from what is there.",
	method: "POST",
	path: "/v1/operations/{id}:retry",
	permission: "operations:retry",
	ifMatch: "taken",
	params: byId,
	status: 202,
	response: operation,
	orders: true,
} as const satisfies Endpoint;

export const approveOperation = {
	name: "approveOperation",
	summary:
		"Approve an operation that awaits it: it stands in line then. Not by who ordered it. If it is bound to a preview, nothing of that may have moved.",
	method: "POST",
	path: "/v1/operations/{id}:approve",
	permission: "operations:approve",
	ifMatch: "taken",
	params: byId,
	status: 202,
	response: operation,
	orders: true,
} as const satisfies Endpoint;

export const rejectOperation = {
	name: "rejectOperation",
	summary: "Reject an operation that awaits approval. Not by who ordered it.",
	method: "POST",
	path: "/v1/operations/{id}:reject",
	permission: "operations:reject",
	ifMatch: "taken",
	params: byId,
	status: 202,
	response: operation,
	orders: true,
} as const satisfies Endpoint;

export const listAllOperations = {
	name: "listAllOperations",
	summary:
		"List the operations of all environments of your tenant, newest first.",
	method: "GET",
	path: "/v1/operations",
	permission: "operations:read",
	query: pageQuery.extend({
		/** May be repeated; one of them must be its. */
		state: z.array(z.enum(operationStates)).max(16).default([]),
		kind: z.enum(operationKinds).optional(),
		/** An environment's id, or its name within your tenant. */
		environment: byId.shape.id.optional(),
		fields: fieldsOf(operation),
	}),
	status: 200,
	response: pageOf(operation),
	parts: operationParts,
	refuses: ["not_found"],
} as const satisfies Endpoint;

export const listOperations = {
	name: "listOperations",
	summary: "List the operations of an environment, newest first.",
	method: "GET",
	path: "/v1/environments/{id}/operations",
	permission: "operations:read",
	params: byId,
	query: pageQuery.extend({ fields: fieldsOf(operation) }),
	status: 200,
	response: pageOf(operation),
	parts: operationParts,
} as const satisfies Endpoint;
