// An order with a time to live, and nobody who cares for it afterwards: with the real engine and the real API server.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { kubectlGet } from "../support/kubectl.ts";
import {
	type Caller,
	givenTenant,
	installService,
	makeCaller,
	type Role,
	type Service,
	startRole,
} from "../support/service.ts";
import { until } from "../support/until.ts";

let database: TestDatabase;
let service: Service;
let role: Role;
let tenant: Caller;
before(async () => {
	database = await createTestDatabase();
	service = await installService({
		databaseUrl: database.url,
		kubeconfig: process.env.TEST_KUBECONFIG ?? "",
	});
	role = await startRole("serve", service.environment);
	tenant = await givenTenant(
		makeCaller(() => role.url, service.adminToken),
		() => role.url,
		"acme",
	);
});
after(async () => {
	await role?.stop();
	service?.remove();
	await database?.close();
});

test("an environment for a few seconds comes up and is gone by itself", async () => {
	const order = await tenant.call("POST", "/v1/environments", {
		name: "brief",
		ttl: "5s",
	});
	assert.equal(order.status, 202, JSON.stringify(order.body));
	const created = await tenant.end(String(order.body.id));
	assert.equal(created.state, "succeeded", JSON.stringify(created.error));
	const path = `/v1/environments/${order.body.environment}`;
	const { body: environment } = await tenant.call("GET", path);
	const gone = await until(
		"it is destroyed",
		async () => {
			const { body } = await tenant.call("GET", path);
			return body.lifecycle === "destroyed" ? body : undefined;
		},
		{ timeoutMs: 120_000, everyMs: 200 },
	);
	assert.equal(gone.expiresAt, environment.expiresAt);
	assert.deepEqual(
		await kubectlGet(
			process.env.TEST_ADMIN_KUBECONFIG ?? "",
			"namespace",
			String(environment.namespace),
		),
		[],
	);

	const { body: operations } = await tenant.call("GET", `${path}/operations`);
	const [destroy, ...earlier] = operations.items as Record<string, unknown>[];
	assert.ok(destroy);
	assert.deepEqual(
		[destroy.kind, destroy.state, destroy.requestedBy],
		["destroy", "succeeded", "expiry"],
	);
	assert.deepEqual(destroy.options, { reason: "expired", backup: "skip" });
	assert.equal(earlier.length, 1);
	const { body: events } = await tenant.call(
		"GET",
		`${path}/events?pageSize=200`,
	);
	const expired = (events.items as { type: string; at: string }[]).filter(
		({ type }) => type === "environment.expired",
	);
	assert.equal(expired.length, 1);
	assert.ok(
		Date.parse(expired[0]?.at ?? "") >=
			Date.parse(String(environment.expiresAt)),
		"not before its time",
	);
});
