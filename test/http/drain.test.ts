// A process that answers HTTP, from the signal to stop on.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { installService, type Service, startRole } from "../support/service.ts";
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
		const ask = (path: string) =>
			fetch(`${api.url}${path}`, {
				headers: { authorization: `Bearer ${service.adminToken}` },
			});
		assert.equal((await ask("/readyz")).status, 200);
		process.kill(api.pid, "SIGTERM");
		await until(
			"it is not ready any more",
			async () => (await ask("/readyz")).status === 503,
		);
		for (const path of ["/healthz", "/v1/environments"]) {
			const answer = await ask(path);
			assert.equal(answer.status, 200, path);
			assert.equal(answer.headers.get("connection"), "close", path);
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
