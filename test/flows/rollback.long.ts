// Upgrades are taken back as a tenant sees it, with the real engine: by the service itself after a failure, on demand,
// with the documents of before, and by another worker when the first one is killed.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, type TestContext, test } from "node:test";
import { MongoClient } from "mongodb";
import { stageNames } from "../../src/domain/blueprint.ts";
import {
	type ProcessName,
	type ReleaseImages,
	upstreamRelease,
} from "../../src/domain/release.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { listWorkloads } from "../support/kubectl.ts";
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
let admin: Caller;
let tenant: Caller;
let namespace: string;
let documents: MongoClient | undefined;

before(async () => {
	database = await createTestDatabase();
	service = await installService({ databaseUrl: database.url, kubeconfig });
	api = await startRole("api", service.environment);
	worker = await startRole("worker", service.environment);
	const url = () => api.url;
	admin = makeCaller(url, service.adminToken);
	tenant = await givenTenant(admin, url, "rollbacks");
	const order = await tenant.call("POST", "/v1/environments", { name: "qa" });
	assert.equal((await end(String(order.body.id))).state, "succeeded");
	namespace = String((await look()).namespace);
	await addRelease("0.6.1", { server: "0.6.1", audit: "0.6.1" });
	await addRelease("0.6.1-broken", {
		data: "0.6.1",
		audit: "0.6.1-no-such-image",
		server: "0.6.1",
	});
});
after(async () => {
	await documents?.close();
	await worker?.stop();
	await api?.stop();
	service?.remove();
	await database?.close();
});

const end = (id: string) => tenant.end(id, 300_000);
const look = async () =>
	(await tenant.call("GET", "/v1/environments/qa")).body as Record<
		string,
		unknown
	> & { versions: Record<string, string> };
const stateOf = async () => {
	const { lifecycle, health, revision, release } = await look();
	return [lifecycle, health, revision, release];
};

const base = upstreamRelease("0.6.0", "0.15.0").images;

/** A release whose images of these processes have other tags than 0.6.0. */
async function addRelease(
	name: string,
	tags: Partial<Record<ProcessName, string>>,
): Promise<void> {
	const images: ReleaseImages = { ...base };
	for (const [process, tag] of Object.entries(tags))
		images[process as ProcessName] =
			`${base[process as ProcessName].split(":")[0]}:${tag}`;
	const answer = await admin.call("POST", "/v1/releases", { name, images });
	assert.equal(answer.status, 201, JSON.stringify(answer.body));
}

async function order(verb: string, body: object) {
	const answer = await tenant.call("POST", `/v1/environments/qa:${verb}`, body);
	assert.equal(answer.status, 202, JSON.stringify(answer.body));
	return answer.body as Record<string, unknown> & { id: string };
}

async function upgrade(release: string, backup = "skip"): Promise<void> {
	const ordered = await order("upgrade", { release, backup });
	const { state, error } = await end(ordered.id);
	assert.equal(state, "succeeded", JSON.stringify(error));
}

const secondsOf = ({ startedAt, finishedAt }: Record<string, unknown>) =>
	(Date.parse(String(finishedAt)) - Date.parse(String(startedAt))) / 1_000;
function tellTimes(t: TestContext, operation: Record<string, unknown>): void {
	const phases = operation.phases as Record<string, unknown>[];
	const each = phases.map((phase) => `${phase.name} ${secondsOf(phase)}`);
	t.diagnostic(
		`${operation.kind}: ${secondsOf(operation)} s (${each.join(", ")})`,
	);
}

async function isAllReady(): Promise<void> {
	const { deployments, statefulSets } = await listWorkloads(
		kubeconfig,
		namespace,
	);
	for (const one of [...deployments, ...statefulSets])
		assert.match(one, / (\d+)\/\1$/);
}

test("an upgrade to an image that cannot be pulled fails and is taken back by the service, stage by stage", async (t) => {
	const ordered = await order("upgrade", { release: "0.6.1-broken" });
	const failed = await end(ordered.id);
	assert.equal(failed.state, "failed");
	assert.equal(failed.phase, "applying");
	const error = failed.error as Record<string, string>;
	assert.equal(error.code, "workload_stuck");
	const [, id = ""] = /rolled back to revision 1 by (op_\w+)/.exec(
		error.advice ?? "",
	) ?? [""];

	const rollback = await end(id);
	assert.equal(rollback.state, "succeeded", JSON.stringify(rollback.error));
	assert.deepEqual(
		[rollback.kind, rollback.causedBy, rollback.requestedBy],
		["rollback", ordered.id, "service"],
	);
	assert.deepEqual(rollback.revision, { from: 1, to: 3 });
	assert.deepEqual(await stateOf(), ["ready", "healthy", 3, "0.6.0"]);
	const { versions } = await look();
	for (const process of ["server", "data", "audit"])
		assert.equal(versions[process], "0.6.0", process);
	await isAllReady();

	const ofUpgrade = await tenant.follow(ordered.id);
	const ofRollback = await tenant.follow(id);
	const last = ofUpgrade.at(-1);
	assert.equal(last?.type, "operation.failed");
	assert.equal(last?.data.rollback, id);
	assert.deepEqual(ofRollback[0]?.data, {
		kind: "rollback",
		causedBy: ordered.id,
	});
	assert.deepEqual(
		ofRollback
			.filter(({ type }) => type === "stage.completed")
			.map(({ data }) => data.stage),
		stageNames,
	);
	assert.deepEqual(
		ofRollback.slice(-2).map(({ type }) => type),
		["environment.ready", "operation.succeeded"],
	);
	for (const one of [failed, rollback]) tellTimes(t, one);
});

test("a good upgrade is taken back on demand", async (t) => {
	await upgrade("0.6.1");
	assert.equal((await look()).versions.server, "0.6.1");
	const ordered = await order("rollback", { backup: "skip" });
	assert.equal((await look()).lifecycle, "rolling_back");
	const rollback = await end(ordered.id);
	assert.equal(rollback.state, "succeeded", JSON.stringify(rollback.error));
	assert.deepEqual(rollback.revision, { from: 4, to: 5 });
	assert.equal(rollback.causedBy, null);
	assert.deepEqual(await stateOf(), ["ready", "healthy", 5, "0.6.0"]);
	assert.equal((await look()).versions.server, "0.6.0");
	tellTimes(t, rollback);
});

test("with its data the documents of before the upgrade are back, and the answer says what is lost", async (t) => {
	// The environment's server runs once a Job has needed it.
	await end((await order("backup", {})).id);
	const { mongodb } = JSON.parse(
		readFileSync(
			join(
				dirname(process.env.TEST_ADMIN_KUBECONFIG ?? ""),
				"control-plane",
				"namespaces",
				namespace,
				"ports.json",
			),
			"utf8",
		),
	);
	documents = new MongoClient(`mongodb://127.0.0.1:${mongodb}/`);
	const servers = documents.db("maestro-client").collection("servers");
	await servers.insertMany([{ hostname: "one" }, { hostname: "two" }]);
	const then = await readAll(documents);
	await upgrade("0.6.1", "required");
	await servers.updateOne({ hostname: "one" }, { $set: { hostname: "1" } });
	await servers.deleteOne({ hostname: "two" });
	await servers.insertOne({ hostname: "three" });

	const ordered = await order("rollback", { data: "restore" });
	const { from, to } = ordered.dataLoss as { from: string; to: string };
	const list = (await tenant.call("GET", "/v1/environments/qa/backups")).body
		.items as { reason: string; takenAt: string; id: string }[];
	const backup = list.find(({ reason }) => reason === "before_upgrade");
	assert.equal(from, backup?.takenAt);
	assert.ok(Date.parse(to) >= Date.parse(from));

	const rollback = await end(ordered.id);
	assert.equal(rollback.state, "succeeded", JSON.stringify(rollback.error));
	assert.equal(
		(rollback.options as { fromBackup: string }).fromBackup,
		backup?.id,
	);
	assert.deepEqual(
		(rollback.phases as { name: string }[]).map(({ name }) => name),
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
	assert.deepEqual(await readAll(documents), then);
	assert.deepEqual(await stateOf(), ["ready", "healthy", 7, "0.6.0"]);
	await isAllReady();
	tellTimes(t, rollback);
});

test("what was rolled back can be destroyed", async () => {
	const answer = await tenant.call("DELETE", "/v1/environments/qa");
	assert.equal((await end(String(answer.body.id))).state, "succeeded");
});
