// Many environments ordered at once, on a queue in Redis with two workers: ten, or in an ordinary run three.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { listWorkloads } from "../support/kubectl.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";
import { isThorough } from "../support/sample.ts";
import {
	type Caller,
	givenTenant,
	installService,
	makeCaller,
	type Role,
	type Service,
	startRole,
} from "../support/service.ts";

let database: TestDatabase;
let redis: TestRedis;
let service: Service;
const roles: Role[] = [];
let tenant: Caller;
before(async () => {
	[database, redis] = await Promise.all([createTestDatabase(), startRedis()]);
	service = await installService({
		databaseUrl: database.url,
		kubeconfig: process.env.TEST_KUBECONFIG ?? "",
		queueUrl: redis.url,
	});
	roles.push(
		...(await Promise.all(
			["api", "worker", "worker"].map((role) =>
				startRole(role, service.environment),
			),
		)),
	);
	const url = () => roles[0]?.url ?? "";
	tenant = await givenTenant(makeCaller(url, service.adminToken), url, "busy");
});
after(async () => {
	await Promise.all(roles.map((role) => role.stop()));
	service?.remove();
	await redis?.stop();
	await database?.close();
});

const names = Array.from({ length: isThorough ? 10 : 3 }, (_, i) => `qa-${i}`);

test("all environments that are ordered at once come up, each operation once", async () => {
	const orders = await Promise.all(
		names.map((name) => tenant.call("POST", "/v1/environments", { name })),
	);
	assert.deepEqual(
		new Set(orders.map((order) => order.status)),
		new Set([202]),
	);
	const operations = await Promise.all(
		orders.map((order) => tenant.end(String(order.body.id), 240_000)),
	);
	for (const operation of operations) {
		assert.equal(operation.state, "succeeded", JSON.stringify(operation.error));
		assert.equal(operation.attempt, 1);
	}
	const { body } = await tenant.call("GET", "/v1/environments?lifecycle=ready");
	const items = body.items as { name: string; namespace: string }[];
	assert.deepEqual(items.map((item) => item.name).sort(), names);
	assert.equal(new Set(items.map((item) => item.namespace)).size, names.length);
	for (const { namespace } of items) {
		const { deployments, statefulSets } = await listWorkloads(
			process.env.TEST_ADMIN_KUBECONFIG ?? "",
			namespace,
		);
		assert.equal(
			deployments.filter((line) => line.endsWith(" 1/1")).length,
			14,
		);
		assert.deepEqual(statefulSets, ["mongodb 1/1", "rabbitmq 1/1"]);
	}
});

test("two orders of one name at the same moment give one environment and one conflict", async () => {
	const orders = await Promise.all(
		[1, 2].map(() => tenant.call("POST", "/v1/environments", { name: "twin" })),
	);
	assert.deepEqual(orders.map((order) => order.status).sort(), [202, 409]);
	const refused = orders.find((order) => order.status === 409);
	assert.equal(refused?.body.code, "conflict");
	const made = orders.find((order) => order.status === 202);
	const operation = await tenant.end(String(made?.body.id));
	assert.equal(operation.state, "succeeded", JSON.stringify(operation.error));
});

test("all are destroyed at once, and nothing is left", async () => {
	const orders = await Promise.all(
		[...names, "twin"].map((name) =>
			tenant.call("DELETE", `/v1/environments/${name}`),
		),
	);
	for (const order of orders) {
		const operation = await tenant.end(String(order.body.id), 240_000);
		assert.equal(operation.state, "succeeded", JSON.stringify(operation.error));
	}
	const { body } = await tenant.call("GET", "/v1/environments");
	assert.deepEqual(body.items, []);
});
