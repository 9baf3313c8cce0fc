// Somebody works on an environment by hand: what differs is found, classed and put right, with the real engine.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { kubectl, kubectlGet } from "../support/kubectl.ts";
import {
	type Caller,
	givenTenant,
	installService,
	makeCaller,
	type Role,
	type Service,
	startRole,
} from "../support/service.ts";

const kubeconfig = process.env.TEST_ADMIN_KUBECONFIG ?? "";
let database: TestDatabase;
let service: Service;
let role: Role;
let tenant: Caller;
let namespace: string;

before(async () => {
	database = await createTestDatabase();
	service = await installService({
		databaseUrl: database.url,
		kubeconfig: process.env.TEST_KUBECONFIG ?? "",
	});
	role = await startRole("serve", service.environment);
	const url = () => role.url;
	tenant = await givenTenant(makeCaller(url, service.adminToken), url, "acme");
	const order = await tenant.call("POST", "/v1/environments", { name: "qa" });
	assert.equal((await tenant.end(String(order.body.id))).state, "succeeded");
	namespace = String((await look()).namespace);
});
after(async () => {
	await role?.stop();
	service?.remove();
	await database?.close();
});

interface Item {
	readonly kind: string;
	readonly name: string;
	readonly class: string;
	readonly path: string;
	readonly wanted: string | null;
	readonly found: string | null;
}

const look = async () =>
	(await tenant.call("GET", "/v1/environments/qa")).body as Record<
		string,
		unknown
	> & { drift: { items: Item[] } | null; lifecycle: string };

const ctl = (...args: string[]) =>
	kubectl(kubeconfig, "-n", namespace, ...args);

async function refresh(body: object = {}) {
	const { status, body: ordered } = await tenant.call(
		"POST",
		"/v1/environments/qa:refresh",
		body,
	);
	assert.equal(status, 202, JSON.stringify(ordered));
	const events = await tenant.follow(String(ordered.id));
	return { operation: await tenant.end(String(ordered.id)), events };
}

const outline = ({ kind, name, class: of, path }: Item) =>
	`${of}: ${kind} ${name} ${path}`.trim();

test("nothing differs after a create", async () => {
	const { operation, events } = await refresh();
	assert.equal(operation.state, "succeeded", JSON.stringify(operation.error));
	assert.deepEqual((await look()).drift?.items, []);
	assert.deepEqual(
		events.filter(({ type }) => type.startsWith("drift.")),
		[],
	);
	assert.deepEqual(
		(operation.phases as { name: string }[]).map(({ name }) => name),
		["preparing", "refreshing", "finishing"],
	);
});

test("a deleted object, a changed image and a label added by hand are found and classed, and stay", async () => {
	await ctl("delete", "service", "data");
	await ctl("set", "image", "deployment/audit", "audit=example/other:1");
	await ctl("label", "deployment", "client", "touched-by=hand");
	await ctl(
		"set",
		"env",
		"deployment/scheduler",
		"--containers=scheduler",
		"EXTRA=5ecret",
	);

	const { operation } = await refresh();
	assert.equal(operation.state, "succeeded");
	const { drift } = await look();
	assert.deepEqual(drift?.items.map(outline).sort(), [
		"cosmetic: apps/v1/Deployment client /metadata/labels/touched-by",
		"repairable: apps/v1/Deployment audit /spec/template/spec/containers/0/image",
		`repairable: apps/v1/Deployment scheduler ${drift?.items.find(({ name }) => name === "scheduler")?.path}`,
		"repairable: v1/Service data",
	]);
	const image = drift?.items.find(({ name }) => name === "audit");
	assert.equal(image?.found, '"example/other:1"');
	assert.match(String(image?.wanted), /audit/);
	assert.ok(!JSON.stringify(drift).includes("5ecret"));
	assert.deepEqual(
		await kubectlGet(kubeconfig, "service", "data", "-n", namespace),
		[],
	);
});

test("a repair puts all of it right and leaves the revision as it is", async () => {
	const { operation, events } = await refresh({ repair: true });
	assert.equal(operation.state, "succeeded", JSON.stringify(operation.error));
	const repaired = events.find(({ type }) => type === "drift.repaired");
	assert.deepEqual(repaired?.data, { repaired: 4, left: [] });
	assert.deepEqual(operation.revision, { from: 1, to: 1 });

	const [audit, client, scheduler] = await kubectlGet(
		kubeconfig,
		"deployment",
		"audit",
		"client",
		"scheduler",
		"-n",
		namespace,
	);
	assert.ok(!JSON.stringify(audit?.spec).includes("example/other:1"));
	assert.equal(client?.metadata.labels?.["touched-by"], undefined);
	assert.ok(!JSON.stringify(scheduler?.spec).includes("EXTRA"));
	const services = await kubectlGet(
		kubeconfig,
		"service",
		"data",
		"-n",
		namespace,
	);
	assert.equal(services.length, 1);
	assert.equal((await look()).lifecycle, "ready");
	assert.deepEqual((await refresh()).operation.state, "succeeded");
	assert.deepEqual((await look()).drift?.items, []);
});

test("what holds data is not repaired before somebody says that he knows", async () => {
	const [secret] = await kubectlGet(
		kubeconfig,
		"secrets",
		"-n",
		namespace,
		"-l",
		"app.kubernetes.io/part-of=maestro",
	);
	assert.ok(secret);
	const key = Object.keys(secret.data as object)[0];
	await ctl(
		"patch",
		"secret",
		secret.metadata.name,
		"--type=merge",
		"-p",
		JSON.stringify({ data: { [key ?? ""]: "b3RoZXI=" } }),
	);
	await ctl("delete", "networkpolicy", "--all");

	const refused = await refresh({ repair: true });
	assert.equal(refused.operation.state, "failed");
	const { error } = refused.operation as {
		error: { code: string; message: string };
	};
	assert.equal(error.code, "conflict");
	assert.match(error.message, new RegExp(`v1/Secret ${secret.metadata.name}`));
	const { drift, lifecycle } = await look();
	assert.equal(lifecycle, "ready");
	const [first] = drift?.items ?? [];
	assert.deepEqual(
		[first?.class, first?.wanted, first?.found],
		["dangerous", '"[secret]"', '"[secret]"'],
	);
	assert.deepEqual(
		await kubectlGet(kubeconfig, "networkpolicies", "-n", namespace),
		[],
	);

	const { operation } = await refresh({ repair: true, acknowledge: true });
	assert.equal(operation.state, "succeeded", JSON.stringify(operation.error));
	assert.deepEqual((await look()).drift?.items, []);
	const [after] = await kubectlGet(
		kubeconfig,
		"secret",
		secret.metadata.name,
		"-n",
		namespace,
	);
	assert.deepEqual(after?.data, secret.data);
});
