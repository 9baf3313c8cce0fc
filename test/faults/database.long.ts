// The database is away for longer than a lease, in the middle of a create.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { answered } from "../support/answers.ts";
import { until } from "../support/until.ts";
import { givenService, order, untilApplying } from "./given.ts";

const awayMs = 30_000;

test("a database that is away for 30 s: 503 meanwhile, and every order that was taken is done afterwards", async (t) => {
	const { tenant, toDatabase, startWorker } = await givenService(t);
	await startWorker();
	const begun = await order(tenant, "begun");
	const others = [await order(tenant, "second")];
	await untilApplying(tenant, begun);

	await toDatabase.close();
	const back = delay(awayMs).then(() => toDatabase.reopen());
	const refused = await until("an order is refused", async () => {
		const body = { name: "refused" };
		const answer = await answered(tenant.client.createEnvironment({ body }));
		return answer.status === 503 ? answer : undefined;
	});
	assert.match(refused.headers.get("retry-after") ?? "", /^\d+$/);
	assert.equal(refused.body.code, "unavailable");
	assert.equal(refused.body.retryable, true);
	assert.equal((await tenant.client.checkAlive()).status, "alive");
	assert.equal((await answered(tenant.client.checkReady())).status, 503);
	await back;

	for (const id of [begun, ...others]) {
		const operation = await tenant.end(id, 180_000);
		assert.equal(operation.state, "succeeded", JSON.stringify(operation.error));
		const events = await tenant.follow(id);
		assert.deepEqual(
			events.map((event) => event.id),
			events.map((_, i) => i + 1),
			"no gap, no repeat",
		);
	}
	const { body } = await tenant.call("GET", "/v1/environments");
	const names = (body.items as { name: string }[]).map(({ name }) => name);
	assert.deepEqual(names.sort(), ["begun", "second"]);
});
