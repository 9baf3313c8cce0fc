// The whole life of one environment, by its tenant and through the API alone: each test is a chapter and begins where the
// one before has ended. With the real engine and a real control plane; documents are in the environment's own server.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { MongoClient } from "mongodb";
import { stageNames } from "../../src/domain/blueprint.ts";
import { upstreamRelease } from "../../src/domain/release.ts";
import { readAll } from "../support/mongodb.ts";
import {
	openStory,
	patienceMs,
	phases,
	type Story,
	tellTimes,
} from "../support/story.ts";
import { until } from "../support/until.ts";

let story: Story;
let documents: MongoClient | undefined;
/** What the databases held when 0.6.0 was left. */
let then: Awaited<ReturnType<typeof readAll>>;

before(async () => {
	story = await openStory();
	const { images } = upstreamRelease("0.6.1", "0.15.0");
	const audit = `${images.audit}-no-such-image`;
	for (const [name, all] of [
		["0.6.1", images],
		["0.6.1-faulty", { ...images, audit }],
	]) {
		const release = { name, images: all };
		const { status } = await story.admin.call("POST", "/v1/releases", release);
		assert.equal(status, 201);
	}
});
after(async () => {
	await documents?.close();
	await story?.close();
});

const qa = "/v1/environments/qa";
const stages = stageNames.map((name) => `stage ${name}`);
/** How everything that brings an environment up ends, once it is applied. */
const comesUp = [
	...phases("applying", "waiting"),
	"verification.passed",
	...phases("verifying", "finishing"),
	"environment.ready",
	"operation.succeeded",
];
const sound = { lifecycle: "ready", health: "healthy", size: "ha" };

test("an environment is ordered, highly available, and comes up at 0.6.0", async (t) => {
	const { operation } = await story.play({
		order: ["POST", "/v1/environments", { name: "qa", size: "ha" }],
		kind: "create",
		revision: [null, 1],
		during: "creating",
		tells: [...phases("preparing"), ...comesUp],
	});
	await story.assertIs("qa", { ...sound, revision: 1, release: "0.6.0" });
	await story.assertWorkloads("qa", "running");
	t.diagnostic(tellTimes(operation));
});

test("an upgrade to a release with an image that does not exist fails, and the service takes it back", async (t) => {
	const failed = await story.play({
		order: ["POST", `${qa}:upgrade`, { release: "0.6.1-faulty" }],
		kind: "upgrade",
		revision: [1, 2],
		during: "upgrading",
		end: "failed",
		tells: [
			...phases("preparing"),
			"backup.completed",
			...phases("backing_up"),
			...stages.slice(0, stageNames.indexOf("backEnds")),
			"phase applying failed",
			"operation.failed",
		],
	});
	const { error } = failed.operation;
	assert.equal(error?.code, "workload_stuck");
	assert.match(error?.message ?? "", /audit/);
	const rollback = String(failed.log.at(-1)?.data.rollback);
	assert.match(
		error?.advice ?? "",
		new RegExp(`rolled back to revision 1 by ${rollback}`),
	);

	const taken = await story.watch(rollback, {
		tells: [...phases("preparing"), ...stages, ...comesUp],
	});
	const { kind, causedBy, requestedBy, revision } = taken.operation;
	assert.deepEqual(
		{ kind, causedBy, requestedBy, revision },
		{
			kind: "rollback",
			causedBy: failed.operation.id,
			requestedBy: "service",
			revision: { from: 1, to: 3 },
		},
	);
	await story.assertIs("qa", { ...sound, revision: 3, release: "0.6.0" });
	await assertVersion("0.6.0");
	await story.assertWorkloads("qa", "running");
	for (const { operation } of [failed, taken])
		t.diagnostic(tellTimes(operation));
});

test("documents are backed up by an upgrade to a good release, and go on to change", async (t) => {
	documents = await story.openDocuments("qa");
	const servers = documents.db("maestro-client").collection("servers");
	await servers.insertMany([{ hostname: "one" }, { hostname: "two" }]);
	then = await readAll(documents);
	const { operation } = await story.play({
		order: ["POST", `${qa}:upgrade`, { release: "0.6.1" }],
		kind: "upgrade",
		revision: [3, 4],
		during: "upgrading",
		tells: [
			...phases("preparing"),
			"backup.completed",
			...phases("backing_up"),
			...stages,
			...comesUp,
		],
	});
	await story.assertIs("qa", { ...sound, revision: 4, release: "0.6.1" });
	await assertVersion("0.6.1");
	await servers.updateOne({ hostname: "one" }, { $set: { hostname: "1" } });
	await servers.deleteOne({ hostname: "two" });
	await servers.insertOne({ hostname: "three" });
	assert.notDeepEqual(await readAll(documents), then);
	t.diagnostic(tellTimes(operation));
});

test("a rollback with the data brings back the release and the documents of then", async (t) => {
	const { operation, log } = await story.play({
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
			...stages,
			...comesUp,
		],
	});
	const { body } = await story.tenant.call("GET", `${qa}/backups`);
	const restored = log.find(({ type }) => type === "backup.restored");
	const backup = (body.items as Readonly<Record<string, unknown>>[]).find(
		({ id }) => id === restored?.data.backup,
	);
	assert.deepEqual(
		[backup?.reason, backup?.revision, backup?.release],
		["before_upgrade", 3, "0.6.0"],
	);
	const lost = operation.dataLoss as { readonly from: string };
	assert.equal(lost.from, backup?.takenAt);
	assert.ok(documents);
	assert.deepEqual(await readAll(documents), then);
	await story.assertIs("qa", { ...sound, revision: 5, release: "0.6.0" });
	await assertVersion("0.6.0");
	await story.assertWorkloads("qa", "running");
	t.diagnostic(tellTimes(operation));
});

test("it is put to sleep, and wakes as it was", async (t) => {
	const asleep = await story.play({
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
	await story.assertIs("qa", {
		lifecycle: "hibernated",
		health: "unknown",
		power: "hibernated",
		revision: 6,
	});
	await story.assertWorkloads("qa", "stopped");

	const awake = await story.play({
		order: ["POST", `${qa}:wake`],
		kind: "wake",
		revision: [6, 7],
		during: "waking",
		tells: [...phases("preparing"), ...stages, ...comesUp],
	});
	const on = { ...sound, power: "on" };
	await story.assertIs("qa", { ...on, revision: 7, release: "0.6.0" });
	await story.assertWorkloads("qa", "running");
	for (const { operation } of [asleep, awake])
		t.diagnostic(tellTimes(operation));
});

test("a copy comes up beside it, and is gone by itself when its time is over", async (t) => {
	const { operation } = await story.play({
		order: ["POST", `${qa}:clone`, { name: "copy", ttl: "1h" }],
		kind: "create",
		revision: [null, 1],
		during: "creating",
		tells: ["environment.cloned", ...phases("preparing"), ...comesUp],
	});
	const id = String(operation.environment);
	const copy = { ...sound, id, revision: 1, release: "0.6.0" };
	const { namespace } = await story.assertIs("copy", copy);
	await story.assertWorkloads("copy", "running");

	// An hour is too long for a story: from now on it has a second.
	const order = { ttl: "1s" };
	const path = `/v1/environments/${id}`;
	const extended = await story.tenant.call("POST", `${path}:extend`, order);
	assert.equal(extended.status, 200);
	await until(
		"the copy is destroyed",
		async () => (await story.look(id)).lifecycle === "destroyed",
		{ timeoutMs: patienceMs, everyMs: 200 },
	);
	const { body } = await story.tenant.call("GET", `${path}/operations`);
	const [last] = body.items as Readonly<Record<string, unknown>>[];
	assert.deepEqual(
		[last?.kind, last?.state, last?.requestedBy, last?.options],
		["destroy", "succeeded", "expiry", { reason: "expired", backup: "skip" }],
	);
	const told = (await story.listLog(id)).flatMap(({ type }) =>
		type.startsWith("environment.") ? [type.split(".")[1]] : [],
	);
	const expected = ["cloned", "ready", "extended", "expired", "destroyed"];
	assert.deepEqual(told, expected);
	assert.equal(await story.hasNamespace(namespace), false);
	await story.assertIs("qa", { ...sound, revision: 7 });
	t.diagnostic(tellTimes(operation));
});

test("it is destroyed, and its log has told all of it without a gap", async (t) => {
	const { id, namespace } = await story.look("qa");
	const { operation } = await story.play({
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
	const gone = { lifecycle: "destroyed", health: "unknown", revision: null };
	await story.assertIs(String(id), gone);
	assert.equal((await story.tenant.call("GET", qa)).status, 404);
	assert.equal(await story.hasNamespace(namespace), false);
	const ids = (await story.listLog(String(id))).map((event) => event.id);
	assert.deepEqual(
		ids,
		ids.map((_, index) => index + 1),
	);
	t.diagnostic(tellTimes(operation));
});

async function assertVersion(version: string): Promise<void> {
	const { versions } = await story.look("qa");
	const { server, audit } = versions as Readonly<Record<string, string>>;
	assert.deepEqual([server, audit], [version, version]);
}
