// An environment is brought to other releases as its tenant sees it, while somebody watches its pods: the documented
// order, never two beats, nothing touched that has no reason to, and a truthful end when a stage does not come up.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type StageName, stageNames } from "../../src/domain/blueprint.ts";
import {
	type ProcessName,
	type ReleaseImages,
	upstreamRelease,
} from "../../src/domain/release.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import {
	type KubernetesObject,
	kubectlGet,
	listWorkloads,
} from "../support/kubectl.ts";
import { type PodsWatch, watchPods } from "../support/pods-watch.ts";
import { sample } from "../support/sample.ts";
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

const kubeconfig = process.env.TEST_KUBECONFIG ?? "";
let database: TestDatabase;
let service: Service;
let api: Role;
let worker: Role;
let admin: Caller;
let tenant: Caller;
let namespace: string;
let watch: PodsWatch;

before(async () => {
	database = await createTestDatabase();
	service = await installService({ databaseUrl: database.url, kubeconfig });
	api = await startRole("api", service.environment);
	worker = await startRole("worker", service.environment);
	const url = () => api.url;
	admin = makeCaller(url, service.adminToken);
	tenant = await givenTenant(admin, url, "acme");
	const order = await tenant.call("POST", "/v1/environments", { name: "qa" });
	assert.equal((await tenant.end(String(order.body.id))).state, "succeeded");
	namespace = String((await look()).namespace);
	watch = await watchPods(kubeconfig, namespace);
});
after(async () => {
	await watch?.stop();
	await worker?.stop();
	await api?.stop();
	service?.remove();
	await database?.close();
});

const look = async () =>
	(await tenant.call("GET", "/v1/environments/qa")).body as Record<
		string,
		unknown
	> & { versions: Record<string, string> };

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
	const { status, body } = await admin.call("POST", "/v1/releases", {
		name,
		images,
	});
	assert.equal(status, 201, JSON.stringify(body));
}

async function upgrade(release: string): Promise<string> {
	const { status, body } = await tenant.call(
		"POST",
		"/v1/environments/qa:upgrade",
		{ release, onFailure: "keep" },
	);
	assert.equal(status, 202, JSON.stringify(body));
	return String(body.id);
}

interface Facts {
	readonly uid: string;
	readonly generation?: number;
	readonly resourceVersion: string;
}

/** `Kind name` → what identifies the object and its changes. */
async function record(kinds: string): Promise<Map<string, Facts>> {
	const objects = await kubectlGet(kubeconfig, kinds, "-n", namespace);
	return new Map(
		objects.map(({ kind, metadata }) => [
			`${kind} ${metadata.name}`,
			metadata as KubernetesObject["metadata"] & Facts,
		]),
	);
}

const pick = <K extends keyof Facts>(facts: Map<string, Facts>, key: K) =>
	Object.fromEntries([...facts].map(([name, fact]) => [name, fact[key]]));

const stageOfPart: Record<string, StageName> = {
	mongodb: "stores",
	"mongodb-init": "stores",
	rabbitmq: "stores",
	migrate: "migration",
	data: "backEnds",
	audit: "backEnds",
	"discovery-worker": "workers",
	server: "fronts",
	client: "fronts",
	websocket: "fronts",
	scheduler: "beat",
};

/** Parts that run once, before the first stage or behind the last one. */
const jobs = new Set(["backup", "verify"]);

test("another release is rolled out in order, with one beat at any moment, and touches only what carries its images", async () => {
	const changed = {
		server: "0.6.1",
		data: "0.6.1",
		"discovery-worker": "0.6.1",
		client: "0.15.1",
		websocket: "0.6.1",
		scheduler: "0.6.1",
	} as const;
	await addRelease("0.6.1", changed);
	const lasting = "statefulsets,persistentvolumeclaims";
	const still = "secrets,configmaps,services,networkpolicies,serviceaccounts";
	const [kept, quiet, deployments] = await Promise.all([
		record(lasting),
		record(still),
		record("deployments"),
	]);
	watch.forget();

	const id = await upgrade("0.6.1");
	assert.equal((await look()).lifecycle, "upgrading");
	const events = await tenant.follow(id);
	const operation = await tenant.end(id);
	assert.equal(operation.state, "succeeded", JSON.stringify(operation.error));
	assert.equal(operation.kind, "upgrade");
	assert.deepEqual(operation.revision, { from: 1, to: 2 });

	const environment = await look();
	assert.deepEqual(
		[
			environment.lifecycle,
			environment.health,
			environment.revision,
			environment.desiredRevision,
			environment.release,
		],
		["ready", "healthy", 2, 2, "0.6.1"],
	);
	assert.equal(environment.versions.server, "0.6.1");
	assert.equal(environment.versions.data, "0.6.1");
	assert.equal(environment.versions.audit, "0.6.0");

	assert.deepEqual(
		events
			.filter(({ type }) => type === "stage.completed")
			.map(({ data }) => data.stage),
		stageNames,
	);
	const fresh = watch.listFresh();
	assert.deepEqual(
		[...new Set(fresh.map(({ part }) => part))].sort(),
		[...Object.keys(changed), "backup", "migrate", "verify"].sort(),
	);
	for (const earlier of fresh)
		for (const later of fresh) {
			const [one, other] = [earlier, later].map(({ part }) =>
				stageNames.indexOf(stageOfPart[part] ?? "stores"),
			);
			if ([earlier, later].some(({ part }) => jobs.has(part))) continue;
			if ((one ?? 0) < (other ?? 0))
				assert.ok(
					earlier.readyAt !== undefined && earlier.readyAt <= later.seenAt,
					`${earlier.part} ran before there was a new ${later.part}`,
				);
		}
	for (const single of ["scheduler", "websocket"])
		assert.equal(watch.countMost(single), 1, `never two of ${single}`);

	assert.deepEqual(pick(await record(lasting), "uid"), pick(kept, "uid"));
	const after = await record(lasting);
	assert.deepEqual(pick(after, "generation"), pick(kept, "generation"));
	assert.deepEqual(
		pick(await record(still), "resourceVersion"),
		pick(quiet, "resourceVersion"),
	);
	const rolled = await record("deployments");
	assert.deepEqual(pick(rolled, "uid"), pick(deployments, "uid"));
	assert.deepEqual(
		[...rolled]
			.filter(
				([name, { generation }]) =>
					generation !== deployments.get(name)?.generation,
			)
			.map(([name]) => name)
			.sort(),
		Object.keys(changed)
			.map((name) => `Deployment ${name}`)
			.sort(),
	);
	assert.deepEqual(await listMigrations(), ["migrate-2"]);
});

const listMigrations = async () =>
	(await kubectlGet(kubeconfig, "jobs", "-n", namespace))
		.filter(
			({ metadata }) =>
				/^migrate-/.test(metadata.name) && !("deletionTimestamp" in metadata),
		)
		.map(({ metadata }) => metadata.name)
		.sort();

test("the same again is nothing to do, and nothing is written", async () => {
	const { status, body } = await tenant.call(
		"POST",
		"/v1/environments/qa:upgrade",
		{ release: "0.6.1" },
	);
	assert.equal(status, 200);
	assert.match(String(body.nothingToDo), /nothing to change/);
	assert.equal((await look()).desiredRevision, 2);
});

test("an image that cannot be pulled stops the roll-out at its stage within seconds; later stages stay, nothing is deleted", async () => {
	await addRelease("0.6.2-broken", {
		server: "0.6.2",
		client: "0.15.2",
		audit: "0.6.2-no-such-image",
		"discovery-worker": "0.6.2",
		scheduler: "0.6.2",
	});
	const before = await record("deployments,statefulsets,pods");
	const id = await upgrade("0.6.2-broken");
	const operation = await tenant.end(id);
	const { body } = await tenant.call("GET", `/v1/operations/${id}/events`);
	const events = body.items as { type: string; at: string }[];
	const [stuckAt, failedAt] = ["workload.stuck", "operation.failed"].map(
		(type) => Date.parse(events.find((event) => event.type === type)?.at ?? ""),
	);
	const seconds = ((failedAt ?? Number.NaN) - (stuckAt ?? Number.NaN)) / 1000;
	assert.ok(seconds < 20, `${seconds} s`);
	assert.equal(operation.state, "failed");
	assert.equal(operation.phase, "applying");
	const error = operation.error as Record<string, string>;
	assert.equal(error.code, "workload_stuck");
	assert.match(
		error.message ?? "",
		/stopped at the back ends\. .*audit.*pull/i,
	);
	assert.match(
		error.untouched ?? "",
		/running revision 2 as before: the workers, the fronts, the scheduler's beat\. Changed in part: the back ends\. Running revision 3 already: the data stores, the migration\. Nothing was deleted\./,
	);
	assert.match(error.advice ?? "", /Upgrade again/);

	const environment = await look();
	assert.deepEqual(
		[
			environment.lifecycle,
			// What the watcher finds by then is no matter of this test.
			environment.health === "healthy",
			environment.revision,
			environment.desiredRevision,
		],
		["failed", false, 2, 3],
	);
	const now = await record("deployments,statefulsets,pods");
	// The roll-out of audit's stage may have replaced what belongs to it, and nothing else.
	const untouched =
		/^\w+ (client|server|websocket|analytics-front|worker|scheduler)/;
	for (const [name, facts] of before) {
		const isPod = name.startsWith("Pod ");
		if (isPod && !untouched.test(name)) continue;
		assert.equal(now.get(name)?.uid, facts.uid, `${name} is still there`);
		if (untouched.test(name) && !isPod)
			assert.equal(now.get(name)?.generation, facts.generation, name);
	}
	assert.deepEqual(await listMigrations(), ["migrate-2", "migrate-3"]);
});

test("after a failure the older release is taken back by another upgrade", async () => {
	const operation = await tenant.end(await upgrade("0.6.1"));
	assert.equal(operation.state, "succeeded", JSON.stringify(operation.error));
	assert.deepEqual(operation.revision, { from: 2, to: 4 });
	const environment = await look();
	assert.deepEqual(
		[environment.lifecycle, environment.health, environment.revision],
		["ready", "healthy", 4],
	);
	assert.deepEqual(await listMigrations(), ["migrate-4"]);
});

const kills = [
	"a worker that is killed between two stages is followed by another, and the upgrade comes to its end",
];
for (const name of sample(kills, () => false))
	test(name, async () => {
		await addRelease("0.6.3", {
			audit: "0.6.3-slow",
			server: "0.6.3",
			scheduler: "0.6.3",
		});
		watch.forget();
		const id = await upgrade("0.6.3");
		await until("its back ends are being rolled out", async () => {
			const { body } = await tenant.call("GET", `/v1/operations/${id}/events`);
			return (body.items as { type: string; data: { stage?: string } }[]).some(
				({ type, data }) =>
					type === "stage.completed" && data.stage === "migration",
			);
		});
		await worker.kill();
		worker = await startRole("worker", service.environment);
		const operation = await tenant.end(id);
		assert.equal(operation.state, "succeeded", JSON.stringify(operation.error));
		assert.equal(operation.attempt, 2);
		assert.equal((await look()).versions.server, "0.6.3");
		const [audit, server, beat] = ["audit", "server", "scheduler"].map((part) =>
			watch.listFresh().filter((pod) => pod.part === part),
		);
		assert.deepEqual([audit?.length, server?.length, beat?.length], [1, 1, 1]);
		assert.ok((audit?.[0]?.readyAt ?? Infinity) <= (server?.[0]?.seenAt ?? 0));
		assert.equal(watch.countMost("scheduler"), 1);
	});

test("a small environment becomes one of the size ha: its stores grow, and nothing of them is replaced", async () => {
	const before = await record("statefulsets,persistentvolumeclaims");
	const order = await tenant.call("POST", "/v1/environments/qa:upgrade", {
		size: "ha",
	});
	const operation = await tenant.end(String(order.body.id));
	assert.equal(operation.state, "succeeded", JSON.stringify(operation.error));
	assert.equal((operation.changes as { replace: number }).replace, 0);
	const now = await record("statefulsets,persistentvolumeclaims");
	for (const [name, { uid }] of before)
		assert.equal(now.get(name)?.uid, uid, name);
	assert.deepEqual(
		[...now.keys()].filter((name) => !before.has(name)).sort(),
		["mongodb-1", "mongodb-2", "rabbitmq-1", "rabbitmq-2"].map(
			(member) => `PersistentVolumeClaim data-${member}`,
		),
	);
	const { statefulSets } = await listWorkloads(kubeconfig, namespace);
	assert.deepEqual(statefulSets.sort(), ["mongodb 3/3", "rabbitmq 3/3"]);
});

test("a failed upgrade does not keep an environment from being destroyed", async () => {
	await addRelease("0.6.4-broken", { audit: "0.6.4-no-such-image" });
	assert.equal(
		(await tenant.end(await upgrade("0.6.4-broken"))).state,
		"failed",
	);
	const destroy = await tenant.call("DELETE", "/v1/environments/qa");
	assert.equal((await tenant.end(String(destroy.body.id))).state, "succeeded");
	assert.deepEqual(await kubectlGet(kubeconfig, "namespace", namespace), []);
});
