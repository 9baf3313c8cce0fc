// The same promises on both kinds of queue.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { createOperationId, type OperationId } from "../../src/domain/ids.ts";
import { Failure } from "../../src/failure.ts";
import {
	decideQueueKind,
	openQueue,
	openReceiver,
} from "../../src/queue/connection.ts";
import { openSender } from "../../src/queue/enqueue.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { silentLog } from "../support/given.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";
import { until } from "../support/until.ts";

let database: TestDatabase;
let redis: TestRedis;
before(async () => {
	[database, redis] = await Promise.all([createTestDatabase(), startRedis()]);
});
after(async () => {
	await database.close();
	await redis.stop();
});

const urls = { PostgreSQL: () => database.url, Redis: () => redis.url };

for (const [kind, findUrl] of Object.entries(urls)) {
	describe(`the queue on ${kind}`, () => {
		test("brings an id, and nothing but the id, to one of several receivers", async () => {
			const received: unknown[] = [];
			const take = async (job: { data: unknown }) => {
				received.push(job.data);
			};
			const receivers = [1, 2].map((n) =>
				openReceiver(findUrl(), { concurrency: 2, name: `r${n}` }, take),
			);
			const sender = openSender(findUrl(), silentLog);
			const ids = Array.from({ length: 30 }, createOperationId);
			await Promise.all(ids.map((id) => sender.enqueue(id, 0)));
			await until("all have arrived", () => received.length >= ids.length);
			assert.deepEqual([...received].sort(), [...ids].sort());
			await Promise.all(receivers.map((one) => one.close()));
			await sender.close();
		});

		test("keeps one message of those that were sent twice for the same claim, and takes the next claim's", async () => {
			const sender = openSender(findUrl(), silentLog);
			const id = createOperationId();
			for (const claims of [0, 0, 0, 1]) await sender.enqueue(id, claims);
			const queue = openQueue(findUrl());
			assert.equal(await queue.count(), 2);
			const received: unknown[] = [];
			const receiver = openReceiver(
				findUrl(),
				{ concurrency: 1, name: "r" },
				async (job) => {
					received.push(job.data);
				},
			);
			await until("both have arrived", () => received.length === 2);
			await receiver.close();

			// Worked off, its id is free again: a later message is not swallowed.
			await sender.enqueue(id, 0);
			assert.equal(await queue.count(), 1);
			await queue.obliterate({ force: true });
			await queue.close();
			await sender.close();
		});

		test("takes a message whose receiver failed off the queue: the sweep sends again, not the queue", async () => {
			const sender = openSender(findUrl(), silentLog);
			let tries = 0;
			const receiver = openReceiver(
				findUrl(),
				{ concurrency: 1, name: "r" },
				async () => {
					tries++;
					throw new Error("no");
				},
			);
			receiver.on("error", () => {});
			await sender.enqueue(createOperationId(), 0);
			const queue = openQueue(findUrl());
			await until("it failed", () => tries === 1);
			await until("it is gone", async () => {
				const counts = await queue.getJobCounts();
				return Object.values(counts).every((count) => count === 0);
			});
			await receiver.close();
			await queue.close();
			await sender.close();
			assert.equal(tries, 1);
		});
	});
}

for (const [kind, findUrl] of Object.entries(urls)) {
	test(`the queue on ${kind} says that it is there`, async () => {
		const sender = openSender(findUrl(), silentLog);
		await sender.reach();
		await sender.close();
	});
}

for (const url of [
	"redis://127.0.0.1:1",
	"postgres://nobody@127.0.0.1:1/none",
]) {
	test(`a queue that is away (${url}) fails no order and delays none`, async () => {
		const sender = openSender(url, silentLog);
		const started = performance.now();
		await sender.enqueue("op_x" as OperationId, 0);
		assert.ok(performance.now() - started < 10_000);
		await sender.close();
	});
}

for (const url of [
	"redis://:planted@127.0.0.1:1",
	"postgres://nobody:planted@127.0.0.1:1/none",
]) {
	test(`a queue that is away (${url}) says so, and is closed all the same while it is asked`, async () => {
		const sender = openSender(url, silentLog);
		const asked = assert.rejects(sender.reach(), (error) => {
			assert.ok(error instanceof Failure);
			assert.equal(error.code, "unavailable");
			assert.ok(!error.message.includes("planted"));
			return true;
		});
		await sender.close();
		await asked;
	});
}

test("a queue's URL of another kind is refused", () => {
	assert.throws(
		() => decideQueueKind("amqp://localhost"),
		(error) => {
			assert.ok(error instanceof Failure);
			assert.equal(error.code, "not_set_up");
			return true;
		},
	);
});
