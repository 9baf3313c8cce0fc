// What the tests of webhooks stand on: a tenant's environments whose logs grow on demand, webhooks, and who delivers.
import { type Selectable, sql } from "kysely";
import type { Event, NewEvent } from "../../src/domain/event.ts";
import {
	createWebhookId,
	type EnvironmentId,
	type WebhookId,
} from "../../src/domain/ids.ts";
import type { Actor } from "../../src/domain/tenant.ts";
import {
	createWebhookSecret,
	maskUrl,
	sealPlace,
	type TargetPolicy,
} from "../../src/domain/webhook.ts";
import {
	type DeliverOptions,
	startDelivering,
} from "../../src/feed/deliver.ts";
import { seal } from "../../src/seal.ts";
import type { Tables } from "../../src/store/db.ts";
import { appendEvents, listEvents } from "../../src/store/events.ts";
import { webhooksChannel } from "../../src/store/webhook-lanes.ts";
import { createWebhook } from "../../src/store/webhooks.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import {
	givenActor,
	givenInstallation,
	givenOrder,
	type Installation,
	silentLog,
	testSealKey,
} from "../support/given.ts";
import { until } from "../support/until.ts";

export const localPolicy: TargetPolicy = {
	allowedHosts: [],
	allowedCidrs: ["127.0.0.1/32"],
	allowsHttp: true,
};

export type DeliveryRow = Selectable<Tables["deliveries"]>;

export interface HookHouse {
	readonly database: TestDatabase;
	readonly installation: Installation;
	readonly actor: Actor;
	givenEnvironment(): Promise<EnvironmentId>;
	givenWebhook(wish: {
		readonly url: string;
		readonly types?: readonly string[];
		readonly environments?: string;
	}): Promise<{ readonly id: WebhookId; readonly secret: string }>;
	/** Writes events that carry these numbers, each in a transaction of its own. */
	writeNotes(
		environment: EnvironmentId,
		numbers: readonly number[],
	): Promise<void>;
	listEvents(environment: EnvironmentId): Promise<Event[]>;
	/** Starts one more who delivers. */
	deliver(
		options?: Partial<DeliverOptions>,
	): ReturnType<typeof startDelivering>;
	/** What came of the webhook's deliveries, in the order of their events. */
	listDeliveries(webhook: WebhookId): Promise<DeliveryRow[]>;
	/** Waits until nothing is under way or due for this webhook. */
	rest(webhook: WebhookId): Promise<void>;
	/** As if the pauses of all lanes were over. */
	endPauses(): Promise<void>;
	close(): Promise<void>;
}

export async function openHookHouse(): Promise<HookHouse> {
	const database = await createTestDatabase();
	const { db } = database;
	const installation = await givenInstallation(db);
	const { actor } = await givenActor(db, "acme");
	let count = 0;
	const opened: { close(): Promise<void> }[] = [];
	return {
		database,
		installation,
		actor,
		async givenEnvironment() {
			const ordered = await givenOrder(installation, actor, `env-${++count}`);
			return ordered.environment;
		},
		async givenWebhook({ url, types, environments }) {
			const id = createWebhookId();
			const secret = createWebhookSecret();
			await createWebhook(db, {
				id,
				tenant: actor.tenant.id,
				url: seal(testSealKey, sealPlace(id, "url"), url),
				shownUrl: maskUrl(url),
				description: "",
				types: types ?? null,
				environments: environments ?? null,
				isActive: true,
				secret: seal(testSealKey, sealPlace(id, "secret"), secret),
			});
			return { id, secret };
		},
		async writeNotes(environment, numbers) {
			for (const number of numbers)
				await appendEvents(db, { environment, operation: null }, [
					note(number),
				]);
		},
		listEvents: (environment) =>
			listEvents(db, { environment }, { after: 0, limit: 10_000 }),
		deliver(options) {
			const one = startDelivering({
				db,
				url: database.url,
				sealKey: testSealKey,
				policy: localPolicy,
				log: silentLog,
				...options,
			});
			opened.push(one);
			return one;
		},
		listDeliveries: (webhook) =>
			db
				.selectFrom("deliveries")
				.selectAll()
				.where("webhook_id", "=", webhook)
				.orderBy("environment_id")
				.orderBy("event_id")
				.execute(),
		async rest(webhook) {
			await until("the webhook's lanes rest", async () => {
				const busy = await db
					.selectFrom("webhook_lanes")
					.select("webhook_id")
					.where("webhook_id", "=", webhook)
					.where((eb) =>
						eb.or([
							eb("claim", "is not", null),
							eb("due_at", "<=", sql<Date>`now()`),
						]),
					)
					.execute();
				return busy.length === 0;
			});
		},
		async endPauses() {
			await db
				.updateTable("webhook_lanes")
				.set({ due_at: new Date(0) })
				.where("due_at", "is not", null)
				.where("claim", "is", null)
				.execute();
			await sql`select pg_notify(${webhooksChannel}, '')`.execute(db);
		},
		async close() {
			await Promise.all(opened.map((one) => one.close()));
			await database.close();
		},
	};
}

const note = (number: number): NewEvent => ({
	type: "engine.warned",
	data: { message: String(number) },
});

/** first, first + 1, … */
export const countFrom = (first: number, length: number): number[] =>
	Array.from({ length }, (_, index) => first + index);
