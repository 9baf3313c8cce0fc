// Who is told of a tenant's events, by signed messages (Standard Webhooks) that carry CloudEvents 1.0.
import { z } from "zod";
import { eventFilters } from "../domain/event.ts";
import { environmentPattern } from "../domain/scope.ts";
import {
	deliveryStates,
	disabledReasons,
	webhookUrl,
} from "../domain/webhook.ts";
import { byId, type Endpoint, identifier, type LeadsTo } from "./endpoint.ts";
import { pageOf, pageQuery } from "./page.ts";

export const webhook = z.strictObject({
	id: z.string(),
	tenant: z.string(),
	/** Without path and query, which may hold a token. */
	url: z.string(),
	description: z.string(),
	/** null: all. */
	types: z.array(z.string()).nullable(),
	/** A pattern of the names of environments; null: all of them. */
	environments: z.string().nullable(),
	active: z.boolean(),
	/** Why the service sends it nothing more. */
	disabledReason: z.enum(disabledReasons).nullable(),
	disabledAt: z.iso.datetime().nullable(),
	/** Since when every attempt has failed. */
	failingSince: z.iso.datetime().nullable(),
	/** Until when the secret before the last rotation signs as well. */
	previousSecretUntil: z.iso.datetime().nullable(),
	createdAt: z.iso.datetime(),
	updatedAt: z.iso.datetime(),
});

/** The one answer that has it. */
const withSecret = webhook.extend({ secret: z.string() });

export const delivery = z.strictObject({
	id: z.string(),
	webhook: z.string(),
	/** null, as is `event`, for a ping. */
	environment: z.string().nullable(),
	event: z.int().nullable(),
	type: z.string(),
	state: z.enum(deliveryStates),
	attempts: z.int(),
	nextAttemptAt: z.iso.datetime().nullable(),
	/** Of the last attempt; null: there was no answer, and `error` says why. */
	responseStatus: z.int().nullable(),
	durationMs: z.int().nullable(),
	error: z.string().nullable(),
	/** The beginning of the answer, with what looks like a secret masked. */
	excerpt: z.string().nullable(),
	createdAt: z.iso.datetime(),
	attemptedAt: z.iso.datetime().nullable(),
});

const webhookLeadsTo: LeadsTo = {
	findWebhook: { id: "/id" },
	rotateWebhookSecret: { id: "/id" },
	pingWebhook: { id: "/id" },
	listDeliveries: { id: "/id" },
	deleteWebhook: { id: "/id" },
};

/** Of answers with the ETag that a change has to name. */
const taggedLeadsTo: LeadsTo = {
	...webhookLeadsTo,
	changeWebhook: { id: "/id", "If-Match": "ETag" },
};

const deliveryLeadsTo: LeadsTo = {
	findWebhook: { id: "/webhook" },
	listDeliveries: { id: "/webhook" },
	redeliver: { id: "/webhook", delivery: "/id" },
};

const types = z
	.array(z.enum(eventFilters))
	.min(1)
	.max(eventFilters.length)
	.describe(
		"Types of events, such as `operation.succeeded`, or all of a kind, such as `operation.*`.",
	);
const description = z.string().max(500);

export const createWebhook = {
	name: "createWebhook",
	summary:
		"Have events of your tenant sent to a URL, from now on. The secret that signs them is in this answer and nowhere else.",
	method: "POST",
	path: "/v1/webhooks",
	permission: "webhooks:write",
	body: z.strictObject({
		url: webhookUrl,
		description: description.default(""),
		/** Without it: all. */
		types: types.optional(),
		/** Without it: what your own token is for. */
		environments: environmentPattern.optional(),
		active: z.boolean().default(true),
	}),
	status: 201,
	response: withSecret,
	leadsTo: webhookLeadsTo,
	refuses: ["quota_exceeded"],
	examples: [
		{
			summary:
				"Operations and expiries of the environments whose names begin with qa-",
			body: {
				url: "https://hooks.example.com/impresario",
				types: ["operation.*", "environment.expiring"],
				environments: "qa-*",
			},
		},
	],
} as const satisfies Endpoint;

export const listWebhooks = {
	name: "listWebhooks",
	summary: "List the webhooks of your tenant, newest first.",
	method: "GET",
	path: "/v1/webhooks",
	permission: "webhooks:read",
	query: pageQuery,
	status: 200,
	response: pageOf(webhook),
} as const satisfies Endpoint;

export const findWebhook = {
	name: "findWebhook",
	summary: "Show a webhook, and whether it takes what it is sent.",
	method: "GET",
	path: "/v1/webhooks/{id}",
	permission: "webhooks:read",
	params: byId,
	status: 200,
	response: webhook,
	leadsTo: taggedLeadsTo,
} as const satisfies Endpoint;

export const changeWebhook = {
	name: "changeWebhook",
	summary:
		"Change a webhook. `active: true` makes one go on that was disabled, with the event at which it stopped.",
	method: "PATCH",
	path: "/v1/webhooks/{id}",
	permission: "webhooks:write",
	ifMatch: "required",
	params: byId,
	body: z.strictObject({
		url: webhookUrl.optional(),
		description: description.optional(),
		types: types.nullable().optional(),
		environments: environmentPattern.nullable().optional(),
		active: z.boolean().optional(),
	}),
	status: 200,
	response: webhook,
	leadsTo: taggedLeadsTo,
	examples: [
		{ summary: "Go on after it was disabled", body: { active: true } },
		{ summary: "Tell all there is", body: { types: null } },
	],
} as const satisfies Endpoint;

export const deleteWebhook = {
	name: "deleteWebhook",
	summary: "Take a webhook away. Nothing more is sent to it.",
	method: "DELETE",
	path: "/v1/webhooks/{id}",
	permission: "webhooks:write",
	ifMatch: "taken",
	params: byId,
	status: 204,
	response: null,
} as const satisfies Endpoint;

export const rotateWebhookSecret = {
	name: "rotateWebhookSecret",
	summary:
		"Give a webhook a new secret, which is in this answer and nowhere else. For 24 hours the one before signs as well.",
	method: "POST",
	path: "/v1/webhooks/{id}:rotate-secret",
	permission: "webhooks:write",
	ifMatch: "taken",
	params: byId,
	status: 200,
	response: withSecret,
	leadsTo: webhookLeadsTo,
} as const satisfies Endpoint;

export const pingWebhook = {
	name: "pingWebhook",
	summary:
		"Send a signed test event, once, whether the webhook is active or not. What came of it is in its delivery.",
	method: "POST",
	path: "/v1/webhooks/{id}:ping",
	permission: "webhooks:write",
	params: byId,
	status: 201,
	response: delivery,
	leadsTo: deliveryLeadsTo,
} as const satisfies Endpoint;

export const listDeliveries = {
	name: "listDeliveries",
	summary:
		"List what was sent to a webhook and what came of it, newest first. It is kept for 30 days.",
	method: "GET",
	path: "/v1/webhooks/{id}/deliveries",
	permission: "webhooks:read",
	params: byId,
	query: pageQuery.extend({ state: z.enum(deliveryStates).optional() }),
	status: 200,
	response: pageOf(delivery),
} as const satisfies Endpoint;

export const redeliver = {
	name: "redeliver",
	summary:
		"Send it again, once, under the same id. An event that is being tried still is tried at once, in its order.",
	method: "POST",
	path: "/v1/webhooks/{id}/deliveries/{delivery}:redeliver",
	permission: "webhooks:write",
	params: byId.extend({ delivery: identifier }),
	status: 200,
	response: delivery,
	leadsTo: deliveryLeadsTo,
	refuses: ["conflict"],
} as const satisfies Endpoint;
