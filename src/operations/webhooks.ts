// What tenants do with their webhooks. What is secret of one is sealed here and opened by who delivers.
import { pingType } from "../domain/cloud-event.ts";
import { createWebhookId } from "../domain/ids.ts";
import { describeScope, listBeyond } from "../domain/scope.ts";
import type { Actor } from "../domain/tenant.ts";
import {
	createWebhookSecret,
	type Delivery,
	maskUrl,
	sealPlace,
	type TargetPolicy,
	type Webhook,
	webhooksOfTenant,
} from "../domain/webhook.ts";
import { Failure } from "../failure.ts";
import { explainRefusal } from "../feed/addresses.ts";
import { type SealKey, seal } from "../seal.ts";
import { type Db, transact } from "../store/db.ts";
import { askAgain, createPing, endPause } from "../store/delivery-log.ts";
import {
	changeWebhook as changeRow,
	countWebhooks,
	createWebhook as createRow,
	loadWebhook,
	replaceSecret,
} from "../store/webhooks.ts";

export interface WebhookContext {
	readonly db: Db;
	readonly sealKey: SealKey;
	readonly policy: TargetPolicy;
}

export interface WebhookOrder {
	readonly url: string;
	readonly description: string;
	readonly types?: readonly string[] | null | undefined;
	readonly environments?: string | null | undefined;
	readonly active: boolean;
}

/**
 * For no more environments than the caller's token is for. Throws `invalid_request` for a URL that leads where nothing is
 * sent, `forbidden` for environments beyond the caller's, and `quota_exceeded`.
 */
export async function createWebhook(
	{ db, sealKey, policy }: WebhookContext,
	actor: Actor,
	order: WebhookOrder,
): Promise<{ readonly webhook: Webhook; readonly secret: string }> {
	const { url, description, types = null } = order;
	checkUrl(policy, url);
	const environments = order.environments ?? actor.scope.environments;
	requireWithin(actor, environments);
	const id = createWebhookId();
	const secret = createWebhookSecret();
	const webhook = await transact(db, async (trx) => {
		const tenant = actor.tenant.id;
		if ((await countWebhooks(trx, tenant)) >= webhooksOfTenant)
			throw refuseMore();
		return createRow(trx, {
			id,
			tenant,
			url: seal(sealKey, sealPlace(id, "url"), url),
			shownUrl: maskUrl(url),
			description,
			types,
			environments,
			isActive: order.active,
			secret: seal(sealKey, sealPlace(id, "secret"), secret),
		});
	});
	return { webhook, secret };
}

/** What is not given stays. Throws as `createWebhook` does. */
export async function changeWebhook(
	{ db, sealKey, policy }: WebhookContext,
	actor: Actor,
	{ webhook: { id }, change }: { webhook: Webhook; change: Change },
): Promise<Webhook> {
	const { url, active, ...rest } = change;
	if (url !== undefined) checkUrl(policy, url);
	if (change.environments !== undefined)
		requireWithin(actor, change.environments);
	return transact(db, async (trx) => {
		await changeRow(trx, id, {
			...rest,
			isActive: active,
			...(url !== undefined && {
				url: {
					sealed: seal(sealKey, sealPlace(id, "url"), url),
					shown: maskUrl(url),
				},
			}),
		});
		return loadWebhook(trx, id);
	});
}

type Change = {
	readonly [K in keyof WebhookOrder]?: WebhookOrder[K] | undefined;
};

/** Returns the new secret, which is shown nowhere else. */
export async function rotateSecret(
	{ db, sealKey }: WebhookContext,
	{ id }: Webhook,
): Promise<{ readonly webhook: Webhook; readonly secret: string }> {
	const secret = createWebhookSecret();
	const sealed = seal(sealKey, sealPlace(id, "secret"), secret);
	return transact(db, async (trx) => {
		await replaceSecret(trx, id, sealed);
		return { webhook: await loadWebhook(trx, id), secret };
	});
}

export const ping = (db: Db, { id }: Webhook): Promise<Delivery> =>
	transact(db, (trx) => createPing(trx, id, pingType));

/**
 * What its lane still tries is tried at once, in its order. Throws `conflict` if that waits for the webhook to be active
 * again.
 */
export async function redeliver(
	db: Db,
	{ webhook, delivery }: { webhook: Webhook; delivery: Delivery },
): Promise<void> {
	const isOfLane = delivery.state === "pending" && delivery.event !== null;
	if (!isOfLane) return transact(db, (trx) => askAgain(trx, delivery.id));
	if (!webhook.isActive) throw refuseInactive();
	await transact(db, (trx) => endPause(trx, delivery));
}

function checkUrl(policy: TargetPolicy, url: string): void {
	const reason = explainRefusal(policy, new URL(url));
	if (reason === undefined) return;
	throw new Failure({
		code: "invalid_request",
		message: `/url ${reason}.`,
		untouched: "Nothing was changed.",
		advice:
			"Name a public host by https, or have the operator of this service allow the target (WEBHOOK_ALLOWED_HOSTS, WEBHOOK_ALLOWED_CIDRS).",
		errors: [{ pointer: "/url", message: reason }],
	});
}

/** Throws `forbidden` for environments that the caller's token is not for. */
export function requireWithin(
	{ name, scope }: Actor,
	environments: string | null,
): void {
	const asked = { permissions: scope.permissions, environments };
	if (listBeyond(asked, scope).length === 0) return;
	throw new Failure({
		code: "forbidden",
		message: `"${name}" is for ${describeScope(scope)}, and the webhook for ${describeScope({ ...asked, permissions: null })}.`,
		untouched: "Nothing was changed.",
		advice: "Name no more environments than your token is for.",
		errors: [{ pointer: "/environments", message: "is beyond your own" }],
	});
}

const refuseMore = () =>
	new Failure({
		code: "quota_exceeded",
		message: `The tenant has ${webhooksOfTenant} webhooks, and no more are possible.`,
		untouched: "Nothing was made.",
		advice: "Delete one that is not needed, or have one told of more.",
	});

const refuseInactive = () =>
	new Failure({
		code: "conflict",
		message:
			"The webhook is not active, and this event is the one at which it stopped.",
		untouched: "Nothing was sent.",
		advice:
			'Make it active: PATCH with {"active": true}. It goes on with this event.',
	});
