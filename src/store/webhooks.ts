import type { TenantId, WebhookId } from "../domain/ids.ts";
import { toNameLike, type Webhook } from "../domain/webhook.ts";
import type { Db } from "./db.ts";

const selectWebhooks = (db: Db) =>
	db
		.selectFrom("webhooks")
		.innerJoin("tenants", "tenants.id", "webhooks.tenant_id")
		.where("webhooks.deleted_at", "is", null)
		.selectAll("webhooks")
		.select("tenants.name as tenant_name");

type Row = Awaited<
	ReturnType<ReturnType<typeof selectWebhooks>["executeTakeFirstOrThrow"]>
>;

const toWebhook = (row: Row): Webhook => ({
	id: row.id,
	tenant: row.tenant_name,
	tenantId: row.tenant_id,
	url: row.url,
	shownUrl: row.shown_url,
	description: row.description,
	types: row.types,
	environments: row.environments,
	isActive: row.is_active,
	disabledReason: row.disabled_reason,
	disabledAt: row.disabled_at,
	failingSince: row.failing_since,
	previousSecretUntil: row.previous_secret_until,
	createdAt: row.created_at,
	updatedAt: row.updated_at,
});

export interface NewWebhook {
	readonly id: WebhookId;
	readonly tenant: TenantId;
	/** Sealed. */
	readonly url: Buffer;
	readonly shownUrl: string;
	readonly description: string;
	readonly types: readonly string[] | null;
	readonly environments: string | null;
	readonly isActive: boolean;
	/** Sealed. */
	readonly secret: Buffer;
}

/** It is told what is written from now on. */
export async function createWebhook(
	db: Db,
	webhook: NewWebhook,
): Promise<Webhook> {
	await db
		.insertInto("webhooks")
		.values({
			id: webhook.id,
			tenant_id: webhook.tenant,
			url: webhook.url,
			shown_url: webhook.shownUrl,
			description: webhook.description,
			types: webhook.types && [...webhook.types],
			environments: webhook.environments,
			name_like: toNameLike(webhook.environments),
			secret: webhook.secret,
			is_active: webhook.isActive,
		})
		.execute();
	return toWebhook(
		await selectWebhooks(db)
			.where("webhooks.id", "=", webhook.id)
			.executeTakeFirstOrThrow(),
	);
}

/** Of this tenant; without one, of any. */
export async function findWebhook(
	db: Db,
	id: string,
	tenant: TenantId | undefined,
): Promise<Webhook | undefined> {
	let query = selectWebhooks(db).where("webhooks.id", "=", id as WebhookId);
	if (tenant !== undefined) query = query.where("tenant_id", "=", tenant);
	const row = await query.executeTakeFirst();
	return row && toWebhook(row);
}
