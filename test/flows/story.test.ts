// The whole life of one environment, by its tenant and through the API alone: each test is a chapter and begins where the
// one before has ended. With the real engine and a real control plane; documents are in the environment's own server.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { MongoClient } from "mongodb";
import { stageNames } from "../../src/domain/blueprint.ts";
import { processNames, upstreamRelease } from "../../src/domain/release.ts";
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
import {
	look,
	patienceMs,
	phases,
	play,
	tellTimes,
	watch,
} from "../support/story.ts";
import { until } from "../support/until.ts";

const kubeconfig = process.env.TEST_ADMIN_KUBECONFIG ?? "";
let database: TestDatabase;
let service: Service;
let role: Role;
let admin: Caller;
let tenant: Caller;
let documents: MongoClient | undefined;

before(async () => {
	database = await createTestDatabase();
	service = await installService({
		databaseUrl: database.url,
		kubeconfig: process.env.TEST_KUBECONFIG ?? "",
	});
	role = await startRole("serve", service.environment);
	admin = makeCaller(() => role.url, service.adminToken);
	tenant = await givenTenant(admin, () => role.url, "acme");
	await addRelease("0.6.1-bad", { audit: "0.6.1-no-such-image" });
	await addRelease("0.6.1", {});
});
after(async () => {
	await documents?.close();
	await role?.stop();
	service?.remove();
	await database?.close();
});

/** All processes but the client's at 0.6.1, but for what is said. */
async function addRelease(
	name: string,
	tags: Readonly<Record<string, string>>,
): Promise<void> {
	const { images } = upstreamRelease("0.6.1", "0.15.0");
	for (const process of processNames)
		if (tags[process] !== undefined)
			images[process] = `${images[process].split(":")[0]}:${tags[process]}`;
	const { status } = await admin.call("POST", "/v1/releases", { name, images });
	assert.equal(status, 201);
}

const qa = "/v1/environments/qa";
const stages = stageNames.map((name) => `stage ${name}`);
/** From the first change on. */
const rollOut = [
	...stages,
	...phases("applying", "waiting"),
	"verification.passed",
	...phases("verifying", "finishing"),
	"environment.ready",
	"operation.succeeded",
];

async function assertIs(name: string, expected: Record<string, unknown>) {
	const now = await look(tenant, name);
	const found = Object.fromEntries(
		Object.keys(expected).map((key) => [key, now[key]]),
	);
	assert.deepEqual(found, expected);
	assert.equal(now.activeOperation, null);
	return now;
}

/** Nothing of it is missing, and nothing is there that was not asked for. */
async function assertRuns(name: string): Promise<void> {
	const { namespace } = await look(tenant, name);
	const { deployments, statefulSets } = await listWorkloads(
		kubeconfig,
		String(namespace),
	);
	assert.ok(deployments.length >= processNames.length);
	for (const one of [...deployments, ...statefulSets])
		assert.match(one, / ([1-9]\d*)\/\1$/);
}

/** The environment's own server, which runs once a backup needed it. */
async function openDocuments(): Promise<MongoClient> {
	const { namespace } = await look(tenant, "qa");
	const folder = join(dirname(kubeconfig), "control-plane", "namespaces");
	const { mongodb } = JSON.parse(
		readFileSync(join(folder, String(namespace), "ports.json"), "utf8"),
	);
	return new MongoClient(`mongodb://127.0.0.1:${mongodb}/`);
}

test("an environment is ordered, highly available, and comes up at 0.6.0", async (t) => {
	const { operation } = await play(tenant, {
		order: ["POST", "/v1/environments", { name: "qa", size: "ha" }],
		kind: "create",
		revision: [null, 1],
		during: "creating",
		tells: [...phases("preparing"), ...rollOut.slice(stages.length)],
	});
	await assertIs("qa", {
		lifecycle: "ready",
		health: "healthy",
		revision: 1,
		desiredRevision: 1,
		release: "0.6.0",
		size: "ha",
		power: "on",
	});
	await assertRuns("qa");
	t.diagnostic(tellTimes(operation));
});

test("an upgrade to a release with an image that does not exist fails, and is taken back by the service", async (t) => {
	const { operation, log } = await play(tenant, {
		order: ["POST", `${qa}:upgrade`, { release: "0.6.1-bad" }],
		kind: "upgrade",
		revision: [1, 2],
		during: "upgrading",
		end: "failed",
		tells: [
			...phases("preparing"),
			"backup.completed",
			...phases("backing_up"),
			...stages.slice(0, stages.indexOf("stage backEnds")),
			"phase applying failed",
			"operation.failed",
		],
	});
	assert.equal(operation.error?.code, "workload_stuck");
	assert.match(operation.error?.message ?? "", /audit/);
	assert.match(operation.error?.advice ?? "", /rolled back to revision 1/);
	const rollback = String(log.at(-1)?.data.rollback);

	const taken = await watch(tenant, rollback, {
		tells: [...phases("preparing"), ...rollOut],
	});
	assert.equal(taken.operation.causedBy, operation.id);
	assert.deepEqual(taken.operation.revision, { from: 1, to: 3 });
	const { versions } = await assertIs("qa", {
		lifecycle: "ready",
		health: "healthy",
		revision: 3,
		desiredRevision: 3,
		release: "0.6.0",
	});
	assert.equal((versions as Record<string, string>).audit, "0.6.0");
	await assertRuns("qa");
	for (const one of [operation, taken.operation]) t.diagnostic(tellTimes(one));
});

let before061: Awaited<ReturnType<typeof readAll>>;

test("documents are written, and an upgrade to a good release backs them up first", async (t) => {
	documents = await openDocuments();
	const servers = documents.db("maestro-client").collection("servers");
	await servers.insertMany([{ hostname: "one" }, { hostname: "two" }]);
	before061 = await readAll(documents);
	const { operation } = await play(tenant, {
		order: ["POST", `${qa}:upgrade`, { release: "0.6.1" }],
		kind: "upgrade",
		revision: [3, 4],
		during: "upgrading",
		tells: [
			...phases("preparing"),
			"backup.completed",
			...phases("backing_up"),
			...rollOut,
		],
	});
	const { versions } = await assertIs("qa", {
		lifecycle: "ready",
		health: "healthy",
		revision: 4,
		release: "0.6.1",
	});
	assert.equal((versions as Record<string, string>).server, "0.6.1");
	await servers.updateOne({ hostname: "one" }, { $set: { hostname: "1" } });
	await servers.deleteOne({ hostname: "two" });
	await documents.db("maestro-reports").collection("new").insertOne({ n: 1 });
	t.diagnostic(tellTimes(operation));
});

test("a rollback with the data brings release and documents of then back", async (t) => {
	const { operation, log } = await play(tenant, {
		order: ["POST", `${qa}:rollback`, { data: "restore" }],
		kind: "rollback",
		revision: [4, 5],
		during: "rolling_back",
		tells: [
			...phases("preparing"),
			"backup.checked",
			...phases("checking"),
			"backup.completed",
			...phases("backing_up", "quiescing"),
			"backup.restored",
			...phases("restoring"),
			...rollOut,
		],
	});
	const { items } = (await tenant.call("GET", `${qa}/backups`)).body as {
		items: Readonly<Record<string, unknown>>[];
	};
	const restored = log.find(({ type }) => type === "backup.restored");
	const backup = items.find(({ id }) => id === restored?.data.backup);
	assert.deepEqual(
		[backup?.reason, backup?.revision, backup?.release],
		["before_upgrade", 3, "0.6.0"],
	);
	assert.equal(
		(operation.dataLoss as { from: string }).from,
		backup?.takenAt,
		"what is lost is counted from the backup",
	);
	documents ??= await openDocuments();
	assert.deepEqual(await readAll(documents), before061);
	await assertIs("qa", {
		lifecycle: "ready",
		health: "healthy",
		revision: 5,
		release: "0.6.0",
	});
	await assertRuns("qa");
	t.diagnostic(tellTimes(operation));
});

test("it is put to sleep, and wakes as it was", async (t) => {
	const asleep = await play(tenant, {
		order: ["POST", `${qa}:hibernate`],
		kind: "hibernate",
		revision: [5, 6],
		during: "hibernating",
		tells: [
			...phases("preparing", "quiescing", "applying", "waiting", "finishing"),
			"environment.hibernated",
			"operation.succeeded",
		],
	});
	const { namespace } = await assertIs("qa", {
		lifecycle: "hibernated",
		health: "unknown",
		revision: 6,
		power: "hibernated",
	});
	const workloads = await listWorkloads(kubeconfig, String(namespace));
	for (const one of [...workloads.deployments, ...workloads.statefulSets])
		assert.match(one, / 0\/0$/);

	const awake = await play(tenant, {
		order: ["POST", `${qa}:wake`],
		kind: "wake",
		revision: [6, 7],
		during: "waking",
		tells: [...phases("preparing"), ...rollOut],
	});
	await assertIs("qa", {
		lifecycle: "ready",
		health: "healthy",
		revision: 7,
		release: "0.6.0",
		size: "ha",
		power: "on",
	});
	await assertRuns("qa");
	for (const { operation } of [asleep, awake])
		t.diagnostic(tellTimes(operation));
});

test("a copy comes up beside it, and is gone by itself when its time is over", async (t) => {
	const { operation, log } = await play(tenant, {
		order: ["POST", `${qa}:clone`, { name: "copy", ttl: "1h" }],
		kind: "create",
		revision: [null, 1],
		during: "creating",
		tells: [
			"environment.cloned",
			...phases("preparing"),
			...rollOut.slice(stages.length),
		],
	});
	const id = String(operation.environment);
	const { namespace } = await assertIs("copy", {
		id,
		lifecycle: "ready",
		health: "healthy",
		revision: 1,
		release: "0.6.0",
		size: "ha",
	});
	await assertRuns("copy");
	assert.equal(
		log.find(({ type }) => type === "environment.cloned")?.data.name,
		"qa",
	);

	// An hour is too long for a story: from now on it has a second.
	const extended = await tenant.call("POST", "/v1/environments/copy:extend", {
		ttl: "1s",
	});
	assert.equal(extended.status, 200);
	await until(
		"the copy is destroyed",
		async () => (await look(tenant, id)).lifecycle === "destroyed",
		{ timeoutMs: patienceMs, everyMs: 200 },
	);
	const [last] = (await tenant.call("GET", `/v1/environments/${id}/operations`))
		.body.items as Readonly<Record<string, unknown>>[];
	assert.deepEqual(
		[last?.kind, last?.state, last?.requestedBy, last?.options],
		["destroy", "succeeded", "expiry", { reason: "expired", backup: "skip" }],
	);
	const types = (await listLog(id)).map(({ type }) => type);
	const told = ["extended", "expired", "destroyed"];
	assert.deepEqual(
		types.filter((type) => told.includes(type.split(".")[1] ?? "")),
		told.map((word) => `environment.${word}`),
	);
	assert.deepEqual(await findNamespace(namespace), []);
	await assertIs("qa", { lifecycle: "ready", health: "healthy", revision: 7 });
	t.diagnostic(tellTimes(operation));
});

test("it is destroyed, and its log tells all of it without a gap", async (t) => {
	const { id, namespace } = await look(tenant, "qa");
	const { operation } = await play(tenant, {
		order: ["DELETE", qa],
		kind: "destroy",
		revision: [7, null],
		during: "destroying",
		tells: [
			...phases("preparing", "applying", "waiting", "finishing"),
			"environment.destroyed",
			"operation.succeeded",
		],
	});
	await assertIs(String(id), {
		lifecycle: "destroyed",
		health: "unknown",
		revision: null,
	});
	assert.equal((await tenant.call("GET", qa)).status, 404);
	assert.deepEqual(await findNamespace(namespace), []);

	const log = await listLog(String(id));
	assert.deepEqual(
		log.map((event) => event.id),
		log.map((_, index) => index + 1),
	);
	t.diagnostic(tellTimes(operation));
});

const findNamespace = (name: unknown) =>
	kubectlGet(kubeconfig, "namespace", String(name));

async function listLog(environment: string) {
	const log: { id: number; type: string }[] = [];
	let pageToken = "";
	do {
		const { body } = await tenant.call(
			"GET",
			`/v1/environments/${environment}/events?pageSize=200${pageToken}`,
		);
		log.push(...(body.items as { id: number; type: string }[]));
		pageToken =
			body.nextPageToken === null ? "" : `&pageToken=${body.nextPageToken}`;
	} while (pageToken !== "");
	return log;
}
