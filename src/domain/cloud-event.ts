// How an event looks to a receiver: CloudEvents 1.0 in JSON (its core specification, §3, and its JSON format), with the
// extension `sequence`, by which the events of an environment are put in order as texts are.
import type { Event } from "./event.ts";
import type { DeliveryId, WebhookId } from "./ids.ts";

export const cloudEventMediaType = "application/cloudevents+json";

export interface CloudEvent {
	readonly specversion: "1.0";
	readonly id: string;
	readonly source: string;
	readonly type: string;
	readonly subject: string;
	readonly time: string;
	readonly datacontenttype: "application/json";
	readonly sequence?: string;
	readonly tenant: string;
	readonly environment?: string;
	readonly environmentname?: string;
	readonly operation?: string;
	readonly data: object;
}

const typeName = (type: string) => `dev.impresario.${type}`;
// Longer than any log will be: texts of one length are in the order of their numbers.
const sequenceLength = 12;

/** What an event belongs to, by name. */
export interface EventPlace {
	readonly tenant: string;
	readonly environmentName: string;
}

/** Its id is the same for every receiver and every attempt. */
export const presentCloudEvent = (
	event: Event,
	place: EventPlace,
): CloudEvent => ({
	specversion: "1.0",
	id: `${event.environment}_${event.id}`,
	source: `/v1/environments/${event.environment}`,
	type: typeName(event.type),
	subject: event.operation ?? event.environment,
	time: event.at.toISOString(),
	datacontenttype: "application/json",
	sequence: String(event.id).padStart(sequenceLength, "0"),
	tenant: place.tenant,
	environment: event.environment,
	environmentname: place.environmentName,
	...(event.operation !== null && { operation: event.operation }),
	data: event.data,
});

export const pingType = "webhook.ping";

/** What is sent to see whether somebody takes it. */
export const presentPing = (ping: {
	readonly id: DeliveryId;
	readonly webhook: WebhookId;
	readonly tenant: string;
	readonly at: Date;
}): CloudEvent => ({
	specversion: "1.0",
	id: ping.id,
	source: `/v1/webhooks/${ping.webhook}`,
	type: typeName(pingType),
	subject: ping.webhook,
	time: ping.at.toISOString(),
	datacontenttype: "application/json",
	tenant: ping.tenant,
	data: {},
});
