// What a platform admin is told after somebody worked by hand in the cluster; with the real engine and the real API
// server.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import {
	environmentLabel,
	managedBy,
	managedByLabel,
} from "../../src/domain/cluster.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { kubectl } from "../support/kubectl.ts";
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
let admin: Caller;
let tenant: Caller;
const run = (...args: string[]) =>
	kubectl(process.env.TEST_ADMIN_KUBECONFIG ?? "", ...args);
const stray = `nobodys-${process.pid}`;

before(async () => {
	database = await createTestDatabase();
	service = await installService({
		databaseUrl: database.url,
		kubeconfig: process.env.TEST_KUBECONFIG ?? "",
	});
	role = await startRole("serve", service.environment);
	admin = makeCaller(() => role.url, service.adminToken);
	tenant = await givenTenant(admin, () => role.url, "acme");
});
after(async () => {
	await run("delete", "namespace", stray, "--ignore-not-found", "--wait=false");
	await role?.stop();
	service?.remove();
	await database?.close();
});

interface Item {
	readonly finding: string;
	readonly environment: string | null;
	readonly namespace: string | null;
	readonly kind: string;
	readonly name: string;
}

/** What is found of an environment, or of all; without what other tests have in the same cluster. */
async function look(environment?: string) {
	const query = environment === undefined ? "" : `?environment=${environment}`;
	const answer = await admin.call("GET", `/v1/leftovers${query}`);
	assert.equal(answer.status, 200, JSON.stringify(answer.body));
	const [target] = answer.body.targets as { reachable: boolean }[];
	assert.equal(target?.reachable, true, JSON.stringify(answer.body.targets));
	return answer.body.items as Item[];
}
const tell = (items: readonly Item[]) =>
	items.map(({ finding, kind, name }) => `${finding} ${kind} ${name}`).sort();

test("an environment that came up as ordered lacks nothing and has nothing too much; after work by hand each thing is told", async (t) => {
	const order = await tenant.call("POST", "/v1/environments", { name: "qa" });
	const operation = await tenant.end(String(order.body.id));
	assert.equal(operation.state, "succeeded", JSON.stringify(operation.error));
	const environment = String(operation.environment);
	const { body } = await tenant.call("GET", "/v1/environments/qa");
	const namespace = String(body.namespace);
	const inside = (...args: string[]) => run("-n", namespace, ...args);

	await t.test(
		"nothing is found, neither of it nor of its target",
		async () => {
			assert.deepEqual(tell(await look(environment)), []);
			const all = await look();
			assert.deepEqual(
				all.filter((one) => one.environment === environment),
				[],
			);
		},
	);

	await t.test(
		"a Deployment that was deleted is missing, and a ConfigMap of nobody unknown",
		async () => {
			await inside("delete", "deployment", "server");
			await inside("create", "configmap", "by-hand");
			await inside(
				"label",
				"configmap/by-hand",
				`${managedByLabel}=${managedBy}`,
			);
			const expected = [
				"missing apps/v1/Deployment server",
				"unknown v1/ConfigMap by-hand",
			];
			assert.deepEqual(tell(await look(environment)), expected);
			const all = await look();
			assert.deepEqual(
				tell(all.filter((one) => one.namespace === namespace)),
				expected,
			);
		},
	);

	await t.test(
		"a namespace with our label and nobody's environment is a stray",
		async () => {
			await run("create", "namespace", stray);
			await run(
				...["label", "namespace", stray, `${managedByLabel}=${managedBy}`],
				`${environmentLabel}=env_0000000000000000gone`,
			);
			const all = await look();
			assert.deepEqual(tell(all.filter(({ name }) => name === stray)), [
				`stray v1/Namespace ${stray}`,
			]);
		},
	);

	await t.test("a tenant's own people may not look", async () => {
		const answer = await tenant.call("GET", "/v1/leftovers");
		assert.equal(answer.status, 403);
	});

	await t.test("after the destroy nothing is left", async () => {
		const { body: ordered } = await tenant.call(
			"DELETE",
			"/v1/environments/qa",
		);
		const ended = await tenant.end(String(ordered.id));
		assert.equal(ended.state, "succeeded", JSON.stringify(ended.error));
		await until("nothing is found", async () => {
			return (await look(environment)).length === 0;
		});
	});
});
