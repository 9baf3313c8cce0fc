// A worker is killed between taking a message and claiming its operation. BullMQ believes for up to a minute that the
// message is being worked on; the operation does not wait for that.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { sql } from "kysely";
import { sweep } from "../../src/operations/sweep.ts";
import { openReceiver } from "../../src/queue/connection.ts";
import { openSender } from "../../src/queue/enqueue.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import {
	givenActor,
	givenInstallation,
	givenOrder,
	silentLog,
	testSealKey,
} from "../support/given.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";
import { until } from "../support/until.ts";

let database: TestDatabase;
let redis: TestRedis;
before(async () => {
	[database, redis] = await Promise.all([createTestDatabase(), startRedis()]);
});
after(async () => {
	await database?.close();
	await redis?.stop();
});

const urls = { PostgreSQL: () => database.url, Redis: () => redis.url };

for (const [kind, findUrl] of Object.entries(urls)) {
	test(`a message that a killed worker had taken does not hold up its operation (${kind})`, async () => {
		const installation = await givenInstallation(database.db);
		const sender = openSender(findUrl(), silentLog);
		const { actor } = await givenActor(database.db, "acme");
		const taken: unknown[] = [];
		// What is never finished is to the queue what a killed worker leaves.
		const unfinished = Promise.withResolvers<void>();
		const killed = openReceiver(
			findUrl(),
			{ concurrency: 1, name: "killed" },
			(job) => {
				taken.push(job.data);
				return unfinished.promise;
			},
		);
		const { id } = await givenOrder(
			{ ...installation, sender },
			actor,
			`held-${kind.toLowerCase()}`,
		);
		await until("the message was taken", () => taken.includes(id));

		const received: unknown[] = [];
		const next = openReceiver(
			findUrl(),
			{ concurrency: 1, name: "next" },
			async (job) => {
				received.push(job.data);
			},
		);
		await next.waitUntilReady();
		await sql`update operations set enqueued_at = now() - interval '11 seconds' where id = ${id}`.execute(
			database.db,
		);
		await sweep({
			db: database.db,
			sealKey: testSealKey,
			sender,
			log: silentLog,
		});
		await until("the next worker has it", () => received.includes(id), {
			timeoutMs: 5_000,
		});
		assert.deepEqual(taken, [id]);
		unfinished.resolve();
		await Promise.all([killed.close(), next.close()]);
		await sender.close();
	});
}
