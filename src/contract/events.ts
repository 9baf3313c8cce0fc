// The log of an environment, in two forms: a page of JSON, or a stream that goes on (Accept:
// text/event-stream; WHATWG HTML, "Server-sent events"). A message's id is the event's, so a broken stream
// goes on behind the Last-Event-ID that the client sends. A message `end` says that nothing more will come.
import { z } from "zod";
import { type EventType, eventTypes } from "../domain/event.ts";
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
