import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { answered } from "../support/answers.ts";
import { startRedis } from "../support/redis.ts";
import { type Door, openDoor } from "./door.ts";

let door: Door;

before(async () => {
	const redis = await startRedis();
	await redis.stop();
	door = await openDoor({
		rates: { token: 2, tenant: 2, failures: 1 },
		countsUrl: redis.url,
	});
});

after(() => door.close());

test("requests go on while nobody can count them, and the log says so once in a while", async () => {
	const answers = await Promise.all(
		Array.from({ length: 10 }, () =>
			answered(door.viewer.client.listEnvironments()),
		),
	);
	assert.deepEqual(
		answers.map(({ status }) => status),
		answers.map(() => 200),
	);
	const told = door.log.filter(({ message }) =>
		message.includes("cannot be counted"),
	);
	assert.equal(told.length, 1);
	assert.equal(told[0]?.level, "warn");
});
