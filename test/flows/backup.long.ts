// Backups as a tenant sees them, with real documents in the environment's own server: what was there when a backup was
// taken is there again after a restore, and what cannot be backed up or restored is left as it is.
import assert from "node:assert/strict";
import {
	readdirSync,
	readFileSync,
	renameSync,
	rmSync,
	writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { MongoClient } from "mongodb";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { kubectlGet, listWorkloads } from "../support/kubectl.ts";
import { readAll } from "../support/mongodb.ts";
import {
	type Caller,
	givenTenant,
	installService,
	makeCaller,
	type Role,
	type Service,
	startRole,
} from "../support/service.ts";

const kubeconfig = process.env.TEST_KUBECONFIG ?? "";
let database: TestDatabase;
let service: Service;
let api: Role;
let worker: Role;
let tenant: Caller;
let namespace: string;
let client: MongoClient;

before(async () => {
	database = await createTestDatabase();
	service = await installService({ databaseUrl: database.url, kubeconfig });
	api = await startRole("api", service.environment);
	worker = await startRole("worker", service.environment);
	const url = () => api.url;
	tenant = await givenTenant(
		makeCaller(url, service.adminToken),
		url,
		"backups",
	);
	const order = await tenant.call("POST", "/v1/environments", { name: "qa" });
	assert.equal(
		(await tenant.end(String(order.body.id), 300_000)).state,
		"succeeded",
	);
	namespace = String((await look()).namespace);
	// The environment's server runs once a Job has needed it.
	await backUp();
	const { mongodb } = JSON.parse(
		readFileSync(join(folder(), "ports.json"), "utf8"),
	);
	client = new MongoClient(`mongodb://127.0.0.1:${mongodb}/`);
});
after(async () => {
	await client?.close();
	await worker?.stop();
	await api?.stop();
	service?.remove();
	await database?.close();
});

/** What the sandbox keeps of the namespace. */
const folder = () =>
	join(
		dirname(process.env.TEST_ADMIN_KUBECONFIG ?? ""),
		"control-plane",
		"namespaces",
		namespace,
	);
const look = async () => (await tenant.call("GET", "/v1/environments/qa")).body;

interface Listed {
	readonly id: string;
	readonly name: string;
	readonly operation: string;
	readonly reason: string;
	readonly revision: number;
	readonly bytes: number;
}

const listBackups = async () =>
	(await tenant.call("GET", "/v1/environments/qa/backups")).body
		.items as Listed[];

async function order(verb: string, body?: object) {
	const { status, body: ordered } = await tenant.call(
		"POST",
		`/v1/environments/qa:${verb}`,
		body,
	);
	assert.equal(status, 202, JSON.stringify(ordered));
	return tenant.end(String(ordered.id), 300_000);
}

async function backUp(): Promise<Listed> {
	const operation = await order("backup");
	assert.equal(operation.state, "succeeded", JSON.stringify(operation.error));
	const found = (await listBackups()).find(
		(one) => one.operation === operation.id,
	);
	assert.ok(found);
	return found;
}

const servers = () => client.db("maestro-client").collection("servers");
const statesOf = async () => {
	const { lifecycle, health, revision } = await look();
	return [lifecycle, health, revision];
};
/** The running pods of the processes, which a restart would change. */
const listPods = async () =>
	(await kubectlGet(kubeconfig, "pods", "-n", namespace))
		.filter(
			({ metadata }) => metadata.labels?.["impresario.dev/job"] === undefined,
		)
		.map(({ metadata }) => metadata.name)
		.sort();

test("a restore brings back the documents of its backup, while nothing writes, and everything runs afterwards", async (t) => {
	await servers().insertMany([{ hostname: "one" }, { hostname: "two" }]);
	const then = await readAll(client);
	const backup = await backUp();
	assert.equal((await look()).lifecycle, "ready");
	await servers().updateOne({ hostname: "one" }, { $set: { hostname: "1" } });
	await servers().deleteOne({ hostname: "two" });
	await servers().insertOne({ hostname: "three" });
	const now = await readAll(client);

	const operation = await order("restore", { backup: backup.id });
	assert.equal(operation.state, "succeeded", JSON.stringify(operation.error));
	assert.deepEqual(await readAll(client), then);
	assert.deepEqual(await statesOf(), ["ready", "healthy", 2]);
	assert.deepEqual(
		(operation.phases as { name: string }[]).map(({ name }) => name),
		[
			"preparing",
			"checking",
			"backing_up",
			"quiescing",
			"restoring",
			"applying",
			"waiting",
			"verifying",
			"finishing",
		],
	);
	const { deployments } = await listWorkloads(kubeconfig, namespace);
	assert.ok(deployments.length >= 14);
	for (const one of deployments) assert.match(one, / (\d+)\/\1$/);
	for (const phase of operation.phases as Record<string, string>[])
		t.diagnostic(
			`${phase.name}: ${(Date.parse(phase.finishedAt ?? "") - Date.parse(phase.startedAt ?? "")) / 1000} s`,
		);

	// What was there before the restore was kept by it.
	const [first] = await listBackups();
	assert.equal(first?.reason, "before_restore");
	assert.equal(
		(await order("restore", { backup: first?.id, backupFirst: "skip" })).state,
		"succeeded",
	);
	assert.deepEqual(await readAll(client), now);
});

test("an upgrade keeps the data of before it", async () => {
	const operation = await order("upgrade", { parameters: { theme: "dark" } });
	assert.equal(operation.state, "succeeded", JSON.stringify(operation.error));
	const [first] = await listBackups();
	assert.deepEqual(
		[first?.operation, first?.reason, first?.revision],
		[operation.id, "before_upgrade", 3],
	);
	assert.ok((first?.bytes ?? 0) > 0);
});

test("a backup that fails refuses the upgrade, and nothing was changed", async () => {
	const [states, pods] = [await statesOf(), await listPods()];
	const claim = join(folder(), "claims", "backups");
	renameSync(claim, `${claim}-away`);
	writeFileSync(claim, "no folder");
	try {
		const operation = await order("upgrade", { parameters: { theme: "gold" } });
		assert.equal(operation.state, "failed");
		const error = operation.error as Record<string, string>;
		assert.equal(error.code, "backup_failed");
		assert.match(error.message ?? "", /upgrade did not begin/);
		assert.deepEqual(await statesOf(), states);
		assert.deepEqual(await listPods(), pods);
	} finally {
		rmSync(claim);
		renameSync(`${claim}-away`, claim);
	}
	const { state } = await order("upgrade", { parameters: { theme: "gold" } });
	assert.equal(state, "succeeded");
});

test("a damaged backup is refused, and neither the data nor what runs was touched", async () => {
	const backup = await backUp();
	const part = join(
		folder(),
		"claims/backups",
		backup.name,
		"dump/maestro-client",
	);
	const file = join(part, "servers.bson.gz");
	assert.ok(readdirSync(part).includes("servers.bson.gz"));
	const bytes = readFileSync(file);
	bytes[40] = (bytes[40] ?? 0) ^ 1;
	writeFileSync(file, bytes);
	await servers().insertOne({ hostname: "later" });
	const [states, pods, data] = [
		await statesOf(),
		await listPods(),
		await readAll(client),
	];
	const operation = await order("restore", { backup: backup.id });
	assert.equal(operation.state, "failed");
	assert.equal(operation.phase, "checking");
	const error = operation.error as Record<string, string>;
	assert.match(error.message ?? "", /damaged.*servers\.bson\.gz/);
	assert.match(error.untouched ?? "", /not touched/);
	assert.deepEqual(await statesOf(), states);
	assert.deepEqual(await listPods(), pods);
	assert.deepEqual(await readAll(client), data);
});
