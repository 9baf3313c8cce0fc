// The wall clock of a worker jumps by an hour, there and back, while it works.

import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { sample } from "../support/sample.ts";
import { givenService, order, untilApplying } from "./given.ts";

const clock = join(import.meta.dirname, "../support/jumping-clock.mjs");

const jumpings = [
	["ahead", 1],
	["ahead and back", 2],
] as const;

for (const [name, jumps] of sample(jumpings, ([, jumps]) => jumps === 2)) {
	test(`a clock that jumps an hour ${name} takes no lease, no time and no order away`, async (t) => {
		const { tenant, startWorker } = await givenService(t);
		const worker = await startWorker({ NODE_OPTIONS: `--import=${clock}` });
		const id = await order(tenant, "timeless");
		await untilApplying(tenant, id);
		for (let jump = 0; jump < jumps; jump++) {
			process.kill(worker.pid, "SIGUSR2");
		}
		const operation = await tenant.end(id, 120_000);
		assert.equal(operation.state, "succeeded", JSON.stringify(operation.error));
		assert.equal(operation.attempt, 1, "nobody took it over");
	});
}
