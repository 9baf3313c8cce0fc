// What a tenant sees: order, follow, list, show, destroy; with the real engine and the real API server.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { sql } from "kysely";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { kubectlGet, listWorkloads } from "../support/kubectl.ts";
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
const admin = () => process.env.TEST_ADMIN_KUBECONFIG ?? "";
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

let namespace = "";

test("an ha environment comes up: 14 Deployments and 2 StatefulSets, all ready, and the events tell how", async () => {
	const order = await tenant.call("POST", "/v1/environments", {
		name: "prod",
		size: "ha",
		labels: { team: "a" },
	});
	assert.equal(order.status, 202, JSON.stringify(order.body));
	const id = String(order.body.id);
	const events = await tenant.follow(id);
	assert.equal(
		events.at(-1)?.type,
		"operation.succeeded",
		JSON.stringify(events.at(-1)),
	);
	assert.deepEqual(
		events.map((event) => event.id),
		events.map((_, i) => i + 1),
	);
	const created = events.filter(
		(event) => event.type === "resource.created",
	).length;
	const ready = events.filter(
		(event) => event.type === "workload.ready",
	).length;
	assert.ok(created >= 40 && ready >= 16, `${created} created, ${ready} ready`);

	const { body: environment } = await tenant.call(
		"GET",
		"/v1/environments/prod",
	);
	assert.equal(environment.lifecycle, "ready");
	assert.equal(environment.health, "healthy");
	assert.equal(environment.activeOperation, null);
	assert.match(String(environment.warnings), /^Uploads stay in the containers/);
	assert.deepEqual(Object.keys(environment.endpoints as object).sort(), [
		"analyticsFront",
		"client",
		"server",
		"websocket",
	]);
	assert.deepEqual(environment.versions, {
		server: "0.6.0",
		discovery: "0.6.0",
		reports: "0.6.0",
		analytics: "0.6.0",
		"analytics-front": "0.6.0",
		data: "0.6.0",
		audit: "0.6.0",
	});
	namespace = String(environment.namespace);
	const { deployments, statefulSets } = await listWorkloads(admin(), namespace);
	assert.equal(deployments.length, 14);
	assert.deepEqual(statefulSets, ["mongodb 3/3", "rabbitmq 3/3"]);
	for (const line of deployments) {
		const [name, counts] = line.split(" ");
		assert.equal(
			counts,
			// The target has no AWS, so those that keep uploads run once.
			["scheduler", "websocket", "server", "analytics-front"].includes(
				name ?? "",
			)
				? "1/1"
				: "2/2",
			line,
		);
	}
});

test("the environment and its operation are listed and shown", async () => {
	const { body } = await tenant.call("GET", "/v1/environments?label=team=a");
	const items = body.items as { name: string; size: string; release: string }[];
	assert.deepEqual(
		items.map(({ name, size, release }) => [name, size, release]),
		[["prod", "ha", "0.6.0"]],
	);
	const operations = await tenant.call(
		"GET",
		"/v1/environments/prod/operations",
	);
	assert.equal((operations.body.items as unknown[]).length, 1);
});

test("after a destroy the namespace, its claims and the engine's state are gone, and the history is not", async () => {
	const { body: environment } = await tenant.call(
		"GET",
		"/v1/environments/prod",
	);
	const order = await tenant.call("DELETE", "/v1/environments/prod");
	assert.equal(order.status, 202);
	const operation = await tenant.end(String(order.body.id));
	assert.equal(operation.state, "succeeded", JSON.stringify(operation.error));
	assert.deepEqual(await kubectlGet(admin(), "namespace", namespace), []);
	assert.deepEqual(
		await kubectlGet(admin(), "persistentvolumeclaims", "-n", namespace),
		[],
	);
	// Kubernetes lets go of a volume a moment after its claim is gone.
	await until("no volume is left", async () => {
		const volumes = await kubectlGet(admin(), "persistentvolumes");
		return volumes.every((volume) => {
			const spec = volume.spec as { claimRef?: { namespace: string } };
			return spec.claimRef?.namespace !== namespace;
		});
	});
	const { rows } = await sql`select name from stacks`.execute(database.db);
	assert.deepEqual(rows, []);
	assert.equal((await tenant.call("GET", "/v1/environments/prod")).status, 404);
	const gone = await tenant.call("GET", `/v1/environments/${environment.id}`);
	assert.equal(gone.body.lifecycle, "destroyed");
});
