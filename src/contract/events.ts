// The log of an environment, in two forms: a page of JSON, or a stream that goes on (Accept:
// text/event-stream; WHATWG HTML, "Server-sent events"). A message's id is the event's, so a broken stream
// goes on behind the Last-Event-ID that the client sends. A message `end` says that nothing more will come.
import { z } from "zod";
import { type EventType, eventTypes } from "../domain/event.ts";
import { tenantName } from "../domain/tenant.ts";
import { byId, type Endpoint } from "./endpoint.ts";
import { pageOf, pageQuery } from "./page.ts";

export const event = z.strictObject({
	/** Counts from 1 within the environment. */
	id: z.int(),
	type: z.enum(eventTypes as [EventType, ...EventType[]]),
	at: z.iso.datetime(),
	environment: z.string(),
	operation: z.string().nullable(),
	data: z.record(z.string(), z.unknown()),
});

const eventsQuery = pageQuery.extend({
	/** Begin behind the event of this id. */
	after: z.int().min(0).default(0),
});

export const listEnvironmentEvents = {
	name: "listEnvironmentEvents",
	summary:
		"Read the log of an environment, oldest first. The stream ends once it is destroyed.",
	method: "GET",
	path: "/v1/environments/{id}/events",
	permission: "environments:read",
	params: byId,
	query: eventsQuery,
	status: 200,
	response: pageOf(event),
	stream: event,
} as const satisfies Endpoint;

/** Names a place in the log of a tenant. */
const cursor = z
	.string()
	.regex(
		/^\d{1,15}(\.env_[0-9a-z]{20}\.\d{1,15})?$/,
		"must be the cursor of an event",
	);

export const tenantEvent = event.extend({
	cursor: z.string().describe("What is behind it, `after` says."),
});

export const listTenantEvents = {
	name: "listTenantEvents",
	summary:
		"Read the events of all environments of a tenant, oldest first. A stream begins now unless `after` or Last-Event-ID say where, and has no end.",
	method: "GET",
	path: "/v1/events",
	permission: "environments:read",
	query: pageQuery.extend({
		/** Only a platform admin may name another one than his own. */
		tenant: tenantName.optional(),
		/** Begin behind the event of this cursor; 0: with the first. */
		after: cursor.optional(),
	}),
	status: 200,
	response: pageOf(tenantEvent),
	stream: tenantEvent,
	refuses: ["not_found"],
} as const satisfies Endpoint;

export const listOperationEvents = {
	name: "listOperationEvents",
	summary:
		"Read what an operation wrote into the log, oldest first. The stream ends with the operation.",
	method: "GET",
	path: "/v1/operations/{id}/events",
	permission: "operations:read",
	params: byId,
	query: eventsQuery,
	status: 200,
	response: pageOf(event),
	stream: event,
} as const satisfies Endpoint;
