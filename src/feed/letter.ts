// An event in its envelope: CloudEvents in JSON, signed as Standard Webhooks has it. Every secret that holds gives a
// signature of its own, so a receiver can change from one to the next without a gap.
import { Webhook } from "standardwebhooks";
import { type CloudEvent, cloudEventMediaType } from "../domain/cloud-event.ts";
import type { WebhookId } from "../domain/ids.ts";
import { sealPlace } from "../domain/webhook.ts";
import { open, type SealKey } from "../seal.ts";
import type { Letter } from "./post.ts";

/** The message's id is the event's: the same at each attempt, so a receiver can tell what it had before. */
export function writeLetter(
	event: CloudEvent,
	to: { readonly url: string; readonly secrets: readonly string[] },
	at: Date,
): Letter {
	const body = JSON.stringify(event);
	const signatures = to.secrets.map((secret) =>
		new Webhook(secret).sign(event.id, at, body),
	);
	return {
		url: to.url,
		headers: {
			"content-type": `${cloudEventMediaType}; charset=utf-8`,
			"user-agent": "Impresario",
			"webhook-id": event.id,
			"webhook-timestamp": String(Math.floor(at.getTime() / 1_000)),
			"webhook-signature": signatures.join(" "),
		},
		body,
	};
}

/** To a webhook as its row has it: sealed. */
export function addressLetter(
	sealKey: SealKey,
	order: {
		readonly webhook: WebhookId;
		readonly event: CloudEvent;
		readonly to: {
			readonly url: Buffer;
			readonly secret: Buffer;
			readonly previousSecret: Buffer | null;
		};
	},
): Letter {
	const { webhook, event, to } = order;
	const url = open(sealKey, sealPlace(webhook, "url"), to.url);
	const secrets = [to.secret, to.previousSecret]
		.filter((secret) => secret !== null)
		.map((secret) => open(sealKey, sealPlace(webhook, "secret"), secret));
	return writeLetter(event, { url, secrets }, new Date());
}
