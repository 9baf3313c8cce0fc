import {
	changeWebhook,
	createWebhook,
	deleteWebhook,
	findWebhook,
	listDeliveries,
	listWebhooks,
	pingWebhook,
	redeliver,
	rotateWebhookSecret,
} from "../contract/webhooks.ts";
import type { Actor } from "../domain/tenant.ts";
import type { Delivery, Webhook } from "../domain/webhook.ts";
import {
	changeWebhook as change,
	createWebhook as create,
	redeliver as deliverAgain,
	ping,
	requireWithin,
	rotateSecret,
	type WebhookContext,
} from "../operations/webhooks.ts";
import type { Db } from "../store/db.ts";
import {
	findDelivery,
	listDeliveries as listDeliveryRows,
} from "../store/delivery-log.ts";
import {
	deleteWebhook as deleteRow,
	findWebhook as findRow,
	listWebhooks as listRows,
} from "../store/webhooks.ts";
import { bind, type Context, type Route } from "./bind.ts";
import { bindMatchedTo } from "./matched.ts";
import { readPage } from "./page.ts";
import { decideScope, refuseMissing } from "./visible.ts";

const presentWebhook = (webhook: Webhook) => ({
	id: webhook.id,
	tenant: webhook.tenant,
	url: webhook.shownUrl,
	description: webhook.description,
	types: webhook.types && [...webhook.types],
	environments: webhook.environments,
	active: webhook.isActive,
	disabledReason: webhook.disabledReason,
	disabledAt: webhook.disabledAt?.toISOString() ?? null,
	failingSince: webhook.failingSince?.toISOString() ?? null,
	previousSecretUntil: webhook.previousSecretUntil?.toISOString() ?? null,
	createdAt: webhook.createdAt.toISOString(),
	updatedAt: webhook.updatedAt.toISOString(),
});

const presentDelivery = (delivery: Delivery) => ({
	...delivery,
	nextAttemptAt: delivery.nextAttemptAt?.toISOString() ?? null,
	createdAt: delivery.createdAt.toISOString(),
	attemptedAt: delivery.attemptedAt?.toISOString() ?? null,
});

/** Throws `not_found`, and `forbidden` where it is told of environments that the caller's token is not for. */
async function loadVisibleWebhook(
	db: Db,
	actor: Actor,
	id: string,
	options?: { readonly evenDeleted: boolean },
): Promise<Webhook> {
	const webhook = await findRow(db, id, decideScope(actor), options);
	if (webhook === undefined) throw refuseMissing("webhook", id);
	requireWithin(actor, webhook.environments);
	return webhook;
}

async function loadDelivery(
	db: Db,
	webhook: Webhook,
	id: string,
): Promise<Delivery> {
	const delivery = await findDelivery(db, webhook.id, id);
	if (delivery === undefined) throw refuseMissing("delivery", id);
	return delivery;
}

const composeContext = (context: Context): WebhookContext => ({
	db: context.db,
	sealKey: context.verbs.sealKey,
	policy: context.webhookTargets,
});

const bindMatched = bindMatchedTo({
	as: findWebhook,
	show: async ({ db }, { actor, params }) =>
		presentWebhook(await loadVisibleWebhook(db, actor, params.id)),
});

/** To delete what is deleted is no mistake, but it has no ETag any more. */
const bindDeletion = bindMatchedTo({
	as: findWebhook,
	async show({ db }, { actor, params }) {
		const there = { evenDeleted: true };
		const { id } = await loadVisibleWebhook(db, actor, params.id, there);
		const webhook = await findRow(db, id, decideScope(actor));
		return webhook && presentWebhook(webhook);
	},
});

export const webhookRoutes: readonly Route[] = [
	bind(createWebhook, async (context, { actor, body }) => {
		const made = await create(composeContext(context), actor, body);
		return { ...presentWebhook(made.webhook), secret: made.secret };
	}),

	bind(listWebhooks, async ({ db, pageKey }, { actor, query }) => {
		const tenant = decideScope(actor);
		const within = actor.scope.environments;
		const { rows, nextPageToken } = await readPage(
			{ key: pageKey, list: [listWebhooks.name, tenant], query },
			(page) => listRows(db, tenant, { ...page, within }),
		);
		return { items: rows.map(presentWebhook), nextPageToken };
	}),

	bind(findWebhook, async ({ db }, { actor, params }) =>
		presentWebhook(await loadVisibleWebhook(db, actor, params.id)),
	),

	bindMatched(changeWebhook, async (context, { actor, params, body }) => {
		const webhook = await loadVisibleWebhook(context.db, actor, params.id);
		const order = { webhook, change: body };
		return presentWebhook(await change(composeContext(context), actor, order));
	}),

	bindDeletion(deleteWebhook, async ({ db }, { actor, params }) => {
		// Who did not get the answer asks again.
		const { id } = await loadVisibleWebhook(db, actor, params.id, {
			evenDeleted: true,
		});
		await deleteRow(db, id);
		return undefined;
	}),

	bindMatched(rotateWebhookSecret, async (context, { actor, params }) => {
		const webhook = await loadVisibleWebhook(context.db, actor, params.id);
		const rotated = await rotateSecret(composeContext(context), webhook);
		return { ...presentWebhook(rotated.webhook), secret: rotated.secret };
	}),

	bind(pingWebhook, async ({ db }, { actor, params }) => {
		const webhook = await loadVisibleWebhook(db, actor, params.id);
		return presentDelivery(await ping(db, webhook));
	}),

	bind(listDeliveries, async ({ db, pageKey }, { actor, params, query }) => {
		const { id } = await loadVisibleWebhook(db, actor, params.id);
		const { state } = query;
		const { rows, nextPageToken } = await readPage(
			{ key: pageKey, list: [listDeliveries.name, id, state], query },
			(page) => listDeliveryRows(db, id, { ...page, state }),
		);
		return { items: rows.map(presentDelivery), nextPageToken };
	}),

	bind(redeliver, async ({ db }, { actor, params }) => {
		const webhook = await loadVisibleWebhook(db, actor, params.id);
		const delivery = await loadDelivery(db, webhook, params.delivery);
		await deliverAgain(db, { webhook, delivery });
		return presentDelivery(await loadDelivery(db, webhook, delivery.id));
	}),
];
