// Who did what, and who tried to. A page of JSON, newest first, or all of it as JSON lines (Accept: application/x-ndjson), oldest
// first, with a cursor in each: whoever goes on behind the last one misses nothing.
import { z } from "zod";
import { auditActorKinds } from "../domain/audit.ts";
import { failureCodes } from "../failure.ts";
import { byId, type Endpoint } from "./endpoint.ts";
import { pageOf, pageQuery } from "./page.ts";

const state = z.record(z.string(), z.unknown()).nullable();

export const auditLine = z.strictObject({
	id: z.string(),
	at: z.iso.datetime(),
	actor: z.strictObject({
		kind: z
			.enum(auditActorKinds)
			.describe(
				"`service`: what it did by itself. `unknown`: nobody is known by what was brought.",
			),
		/** Of the token, or the same for the same subject of an identity provider. */
		id: z.string().nullable(),
		name: z.string().nullable(),
		tenant: z.string().nullable(),
	}),
	/** The name of the endpoint; what the service did: `service.hibernate`; or `engine-state`, by an operator's CLI. */
	action: z.string(),
	address: z.string().nullable(),
	method: z.string().nullable(),
	/** Without the query. */
	path: z.string().nullable(),
	resource: z
		.strictObject({ kind: z.string(), id: z.string() })
		.nullable()
		.describe("What it is about; a copy is, and not what it was made of."),
	environment: z.string().nullable(),
	operation: z.string().nullable(),
	/** How it stood; of what is made of another one, how that stood. Without secrets. */
	before: state,
	after: state,
	/** Of the answer; null for what the service did by itself, and for `engine-state`, which is told before it is done. */
	status: z.int().nullable(),
	/** What was refused, and why; null: it was done. */
	code: z.enum(failureCodes).nullable(),
	reason: z.string().nullable(),
	/** How many such attempts it stands for. */
	attempts: z.int(),
	requestId: z.string().nullable(),
});

export const exportedLine = auditLine.extend({
	cursor: z.string().describe("What is behind it, `after` says."),
});

const time = z.iso.datetime({ offset: true });

export const listAudit = {
	name: "listAudit",
	summary:
		"Read the audit log of your tenant, newest first: every change, and every attempt that was denied. As JSON lines oldest first, up to the first that may still come to stand behind another one; each has a `cursor` to go on with.",
	method: "GET",
	path: "/v1/audit",
	permission: "audit:read",
	query: pageQuery.extend({
		/** Id or name. */
		actor: z.string().min(1).max(200).optional(),
		action: z.string().min(1).max(100).optional(),
		/** By id. One that is destroyed has an id, too. */
		environment: byId.shape.id.optional(),
		since: time.optional(),
		/** Before this time. */
		until: time.optional(),
		/** Behind the line of this cursor. */
		after: z
			.string()
			.regex(/^\d{1,15}\.\d{1,15}$/, "must be the cursor of a line")
			.optional()
			.describe("Only what is behind the line of this cursor."),
	}),
	status: 200,
	response: pageOf(auditLine),
	lines: exportedLine,
} as const satisfies Endpoint;
