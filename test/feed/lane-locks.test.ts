// Who tells a webhook something and who writes what is to be told want the same rows, and never wait for each other.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { sql } from "kysely";
import { isTaken } from "../../src/domain/webhook.ts";
import { transact } from "../../src/store/db.ts";
import { recordDelivered, recordRetry } from "../../src/store/deliveries.ts";
import { lockEnvironment } from "../../src/store/environments.ts";
import { appendEvents } from "../../src/store/events.ts";
import { claimLanes } from "../../src/store/webhook-lanes.ts";
import { until } from "../support/until.ts";
import { type HookHouse, openHookHouse } from "./hooks.ts";

let house: HookHouse;
before(async () => {
	house = await openHookHouse();
});
after(() => house.close());

for (const status of [204, 500])
	test(`what is answered with ${status} is recorded while the next event is written`, async () => {
		const { db } = house.database;
		await house.givenWebhook({ url: "https://hooks.example.com/" });
		const environment = await house.givenEnvironment();
		const claim = `told-${status}`;
		const wish = { claim, limit: 1, limitEach: 1, without: [] };
		const [lane] = await claimLanes(db, { ...wish, leaseSeconds: 60 });
		const [event] = await house.listEvents(environment);
		assert.ok(lane && event);
		const rest = { durationMs: 1, error: null, excerpt: null };
		const attempt = { status, ...rest, retryAfterSeconds: null };
		const settlement = { lane, event, attempt };

		let recorded: Promise<unknown> | undefined;
		let isRecorded = false;
		await transact(db, async (trx) => {
			await lockEnvironment(trx, environment);
			recorded = (
				isTaken(attempt)
					? recordDelivered(db, settlement)
					: recordRetry(db, settlement, 5)
			).finally(() => {
				isRecorded = true;
			});
			recorded.catch(() => {});
			await until("it is recorded or waits", async () => {
				const { rows } = await sql`select from pg_stat_activity
					where datname = current_database() and wait_event_type = 'Lock'`.execute(
					db,
				);
				return isRecorded || rows.length > 0;
			});
			const place = { environment, operation: null };
			const data = { expiresAt: null, by: "test" };
			await appendEvents(trx, place, [{ type: "environment.extended", data }]);
		});
		await recorded;
	});
