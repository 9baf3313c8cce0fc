// A process that answers HTTP, from the signal to stop on.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { answered } from "../support/answers.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import {
	installService,
	makeCaller,
	type Service,
	startRole,
} from "../support/service.ts";
import { until } from "../support/until.ts";

let database: TestDatabase;
let service: Service;
before(async () => {
	database = await createTestDatabase();
	service = await installService({
		databaseUrl: database.url,
		kubeconfig: "",
	});
});
after(async () => {
	service?.remove();
	await database?.close();
});

test("told to stop, it says that it is not ready, and serves as before until its time to drain is over", async () => {
	const api = await startRole("api", {
		...service.environment,
		// Longer than the test, which ends it.
		DRAIN_SECONDS: "300",
	});
	try {
		const { client } = makeCaller(() => api.url, service.adminToken);
		assert.equal((await client.checkReady()).status, "ready");
		process.kill(api.pid, "SIGTERM");
		await until(
			"it is not ready any more",
			async () => (await answered(client.checkReady())).status === 503,
		);
		for (const call of [client.checkAlive(), client.listEnvironments()]) {
			const { status, headers } = await call.withResponse();
			assert.equal(status, 200);
			assert.equal(headers.get("connection"), "close");
		}
	} finally {
		await api.kill();
	}
});

test("without time to drain it ends at once and in good order", async () => {
	const api = await startRole("api", {
		...service.environment,
		DRAIN_SECONDS: "0",
	});
	assert.equal(await api.stop(), 0);
});
