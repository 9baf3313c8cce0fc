// The queue loses what it holds, and is away. It is a doorbell: the rows are what was ordered.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Redis } from "ioredis";
import { startRedis } from "../support/redis.ts";
import { givenService, order } from "./given.ts";

test("a Redis that was flushed has lost no order", async (t) => {
	const redis = await startRedis();
	t.after(() => redis.stop());
	const { tenant, startWorker } = await givenService(t, {
		queueUrl: redis.url,
	});
	const orders = [await order(tenant, "one"), await order(tenant, "two")];
	const client = new Redis(redis.url);
	assert.notEqual(await client.dbsize(), 0);
	await client.flushall();
	client.disconnect();
	await startWorker();
	for (const id of orders) {
		const operation = await tenant.end(id, 180_000);
		assert.equal(operation.state, "succeeded", JSON.stringify(operation.error));
	}
});

test("while Redis is away orders are taken, and they are done when it is back", async (t) => {
	let redis = await startRedis();
	t.after(() => redis.stop());
	const { tenant, startWorker } = await givenService(t, {
		queueUrl: redis.url,
	});
	await startWorker();
	await redis.stop();
	const id = await order(tenant, "meanwhile");
	const { body } = await tenant.call("GET", `/v1/operations/${id}`);
	assert.equal(body.state, "queued");
	redis = await startRedis(Number(new URL(redis.url).port));
	const operation = await tenant.end(id, 180_000);
	assert.equal(operation.state, "succeeded", JSON.stringify(operation.error));
});
