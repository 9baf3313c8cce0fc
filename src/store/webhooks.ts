import { sql } from "kysely";
import type { TenantId, WebhookId } from "../domain/ids.ts";
import { overlapSeconds, toNameLike, type Webhook } from "../domain/webhook.ts";
import type { Db } from "./db.ts";
import { newestFirst, type PageRequest, readPage } from "./page.ts";
import { webhooksChannel } from "./webhook-lanes.ts";

const selectWebhooks = (db: Db) =>
	db
		.selectFrom("webhooks")
		.innerJoin("tenants", "tenants.id", "webhooks.tenant_id")
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
	return loadWebhook(db, webhook.id);
}

/** Of this tenant; without one, of any. `evenDeleted`: one that was taken away is found as well. */
export async function findWebhook(
	db: Db,
	id: string,
	tenant: TenantId | undefined,
	{ evenDeleted = false } = {},
): Promise<Webhook | undefined> {
	let query = selectWebhooks(db).where("webhooks.id", "=", id as WebhookId);
	if (!evenDeleted) query = query.where("webhooks.deleted_at", "is", null);
	if (tenant !== undefined) query = query.where("tenant_id", "=", tenant);
	const row = await query.executeTakeFirst();
	return row && toWebhook(row);
}

/** Throws if there is none. */
export async function loadWebhook(db: Db, id: WebhookId): Promise<Webhook> {
	return toWebhook(
		await selectWebhooks(db)
			.where("webhooks.id", "=", id)
			.executeTakeFirstOrThrow(),
	);
}

/** Newest first. `within`: only those for environments that all fit this pattern. */
export async function listWebhooks(
	db: Db,
	tenant: TenantId | undefined,
	page: PageRequest & { readonly within: string | null },
): Promise<Webhook[]> {
	let query = selectWebhooks(db).where("webhooks.deleted_at", "is", null);
	if (tenant !== undefined) query = query.where("tenant_id", "=", tenant);
	if (page.within !== null)
		query = query.where(
			sql<boolean>`coalesce(webhooks.environments, '*') like ${toNameLike(page.within)}`,
		);
	const rows = await readPage(query, page, {
		...newestFirst,
		column: "webhooks.created_at",
		id: "webhooks.id",
	}).execute();
	return rows.map(toWebhook);
}

/** Of a tenant. Call it in a transaction: to the end of it nobody else adds one. */
export async function countWebhooks(
	trx: Db,
	tenant: TenantId,
): Promise<number> {
	await sql`select from tenants where id = ${tenant} for no key update`.execute(
		trx,
	);
	const { count } = await trx
		.selectFrom("webhooks")
		.select((eb) => eb.fn.countAll<number>().as("count"))
		.where("tenant_id", "=", tenant)
		.where("deleted_at", "is", null)
		.executeTakeFirstOrThrow();
	return count;
}

export interface WebhookChange {
	/** Sealed, with what is shown of it. */
	readonly url?: { readonly sealed: Buffer; readonly shown: string };
	readonly description?: string | undefined;
	readonly types?: readonly string[] | null | undefined;
	readonly environments?: string | null | undefined;
	/** True ends what it was disabled for. */
	readonly isActive?: boolean | undefined;
}

/** Changes what is given. Environments that it is not told of yet are told of from now on. Call it in a transaction. */
export async function changeWebhook(
	trx: Db,
	id: WebhookId,
	change: WebhookChange,
): Promise<void> {
	const { url, description, types, environments, isActive } = change;
	await trx
		.updateTable("webhooks")
		.set({
			...(url && { url: url.sealed, shown_url: url.shown }),
			...(description !== undefined && { description }),
			...(types !== undefined && { types: types && [...types] }),
			...(environments !== undefined && {
				environments,
				name_like: toNameLike(environments),
			}),
			...(isActive !== undefined && {
				is_active: isActive,
				disabled_reason: null,
				disabled_at: null,
				failing_since: null,
			}),
			updated_at: sql<Date>`now()`,
		})
		.where("id", "=", id)
		.execute();
	if (environments !== undefined) await skipUntold(trx, id);
	if (isActive) await announceWork(trx);
}

/**
 * A lane without work was told all that it was for. What else there is in its log was written while it was not for it. One that
 * becomes due meanwhile keeps its place: whoever makes it so has its lock.
 */
async function skipUntold(trx: Db, id: WebhookId): Promise<void> {
	await sql`
		update webhook_lanes lane set settled = e.last_event_id from environments e
		where lane.webhook_id = ${id} and lane.due_at is null and e.id = lane.environment_id`.execute(
		trx,
	);
}

/** For whoever delivers: there is something to do. */
export async function announceWork(db: Db): Promise<void> {
	await sql`select pg_notify(${webhooksChannel}, '')`.execute(db);
}

/** The secret until now signs as well for 24 hours, and one before that no more. `secret` is sealed. */
export async function replaceSecret(
	db: Db,
	id: WebhookId,
	secret: Buffer,
): Promise<void> {
	await db
		.updateTable("webhooks")
		.set((eb) => ({
			secret,
			previous_secret: eb.ref("secret"),
			previous_secret_until: sql<Date>`now() + make_interval(secs => ${overlapSeconds})`,
			updated_at: sql<Date>`now()`,
		}))
		.where("id", "=", id)
		.execute();
}

/** Nothing more is sent to it, and nobody finds it any more. */
export async function deleteWebhook(db: Db, id: WebhookId): Promise<void> {
	await db
		.updateTable("webhooks")
		.set({ is_active: false, deleted_at: sql<Date>`now()` })
		.where("id", "=", id)
		.where("deleted_at", "is", null)
		.execute();
}
