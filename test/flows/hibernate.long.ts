// An environment is put to sleep and woken as its tenant sees it: in order, with all that it keeps, and to a truthful end
// also when the worker is killed in the middle.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { stageNames } from "../../src/domain/blueprint.ts";
import { phasesOf } from "../../src/domain/operation.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import {
	type KubernetesObject,
	kubectlGet,
	listWorkloads,
} from "../support/kubectl.ts";
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
let tenant: Caller;
let namespace: string;

before(async () => {
	database = await createTestDatabase();
	service = await installService({ databaseUrl: database.url, kubeconfig });
	api = await startRole("api", service.environment);
	worker = await startRole("worker", service.environment);
	const url = () => api.url;
	tenant = await givenTenant(makeCaller(url, service.adminToken), url, "acme");
	const order = await tenant.call("POST", "/v1/environments", { name: "qa" });
	const created = await tenant.end(String(order.body.id));
	report("create", created);
	assert.equal(created.state, "succeeded");
	namespace = String((await look()).namespace);
});
after(async () => {
	await worker?.stop();
	await api?.stop();
	service?.remove();
	await database?.close();
});

const look = async () =>
	(await tenant.call("GET", "/v1/environments/qa")).body as Record<
		string,
		unknown
	>;

async function order(verb: "hibernate" | "wake"): Promise<string> {
	const { status, body } = await tenant.call(
		"POST",
		`/v1/environments/qa:${verb}`,
	);
	assert.equal(status, 202, JSON.stringify(body));
	return String(body.id);
}

/** What is kept: `Kind name` → its uid. A Secret's content counts, too. */
async function recordKept(): Promise<Record<string, string>> {
	const objects = await kubectlGet(
		kubeconfig,
		"persistentvolumeclaims,secrets,services,ingresses,networkpolicies,deployments,statefulsets,cronjobs",
		"-n",
		namespace,
	);
	return Object.fromEntries(
		objects.map(({ kind, metadata, ...rest }) => [
			`${kind} ${metadata.name}`,
			[
				(metadata as KubernetesObject["metadata"] & { uid: string }).uid,
				kind === "Secret" ? JSON.stringify(rest.data) : "",
				kind === "PersistentVolumeClaim"
					? (rest.spec as { volumeName?: string }).volumeName
					: "",
			].join(" "),
		]),
	);
}

/** Pods that have not ended by themselves. */
const listLivePods = async () =>
	(await kubectlGet(kubeconfig, "pods", "-n", namespace))
		.filter(({ status }) => {
			const { phase } = status as { phase: string };
			return phase !== "Succeeded" && phase !== "Failed";
		})
		.map(({ metadata }) => metadata.name);

const report = (verb: string, operation: Record<string, unknown>) => {
	const between = (from: unknown, to: unknown) =>
		((Date.parse(String(to)) - Date.parse(String(from))) / 1000).toFixed(1);
	const phases = (
		operation.phases as {
			name: string;
			startedAt: string;
			finishedAt: string;
		}[]
	).map((one) => `${one.name} ${between(one.startedAt, one.finishedAt)}`);
	console.log(
		`${verb}: ${between(operation.createdAt, operation.finishedAt)} s (${phases.join(", ")})`,
	);
};

const assertAsleep = async () => {
	const { deployments, statefulSets } = await listWorkloads(
		kubeconfig,
		namespace,
	);
	assert.equal(deployments.length, 14);
	assert.deepEqual(
		[...deployments, ...statefulSets].filter((one) => !one.endsWith(" 0/0")),
		[],
	);
	assert.deepEqual(await listLivePods(), []);
	const { lifecycle, health, endpoints } = await look();
	assert.deepEqual([lifecycle, health], ["hibernated", "unknown"]);
	assert.ok((endpoints as { client: string }).client.startsWith("https://"));
};

const assertAwake = async () => {
	const { deployments, statefulSets } = await listWorkloads(
		kubeconfig,
		namespace,
	);
	assert.deepEqual(
		[...deployments, ...statefulSets].filter((one) => !one.endsWith(" 1/1")),
		[],
	);
	const { lifecycle, health, release, versions } = await look();
	assert.deepEqual([lifecycle, health, release], ["ready", "healthy", "0.6.0"]);
	assert.equal((versions as { server: string }).server, "0.6.0");
};

test("asleep, nothing runs, what writes was stopped first, and all that is kept is what it was", async () => {
	const kept = await recordKept();
	const id = await order("hibernate");
	const operation = await tenant.end(id);
	report("hibernate", operation);
	assert.equal(operation.state, "succeeded", JSON.stringify(operation.error));
	await assertAsleep();
	assert.deepEqual(await recordKept(), kept);
	assert.deepEqual(
		(operation.phases as { name: string }[]).map(({ name }) => name),
		phasesOf.hibernate,
	);
	const { create, replace } = operation.changes as Record<string, number>;
	assert.deepEqual([create, replace], [0, 0]);
	const updated = (await tenant.follow(id)).flatMap(({ type, data }) => {
		const { kind, name } = data as { kind: string; name: string };
		return type === "resource.updated" && kind.startsWith("apps/v1/")
			? [name]
			: [];
	});
	const at = (name: string) => updated.indexOf(name);
	assert.equal(updated.length, 16, updated.join(" "));
	assert.equal(at("scheduler"), 0);
	assert.ok(at("server") < at("discovery-worker"));
	assert.ok(at("discovery-worker") < at("discovery"));
	assert.deepEqual(updated.slice(-2).sort(), ["mongodb", "rabbitmq"]);

	const again = await tenant.call("POST", "/v1/environments/qa:hibernate");
	assert.equal(again.status, 200);
	assert.match(String(again.body.nothingToDo), /hibernated already/);
});

test("woken, the same comes back in the order of a roll-out, and is verified", async () => {
	const kept = await recordKept();
	const id = await order("wake");
	const operation = await tenant.end(id);
	report("wake", operation);
	assert.equal(operation.state, "succeeded", JSON.stringify(operation.error));
	await assertAwake();
	assert.deepEqual(await recordKept(), kept);
	const stages = (await tenant.follow(id)).flatMap(({ type, data }) =>
		type === "stage.completed" ? [(data as { stage: string }).stage] : [],
	);
	assert.deepEqual(stages, stageNames);
});

const isPhase = (phase: string) => async (id: string) =>
	(await tenant.call("GET", `/v1/operations/${id}`)).body.phase === phase;
const hasEvent = (wanted: string) => async (id: string) => {
	const { body } = await tenant.call("GET", `/v1/operations/${id}/events`);
	return JSON.stringify(body.items).includes(wanted);
};

const kills = [
	["hibernate", "stops what writes", isPhase("quiescing")],
	["wake", "starts the stores", isPhase("applying")],
	["hibernate", "stops the stores", isPhase("applying")],
	["wake", "has started the workers", hasEvent('"stage":"workers"')],
] as const;

for (const [verb, when, isThen] of sample(kills, (_, index) => index < 2))
	test(`a ${verb} whose worker is killed while it ${when} is finished by the next one`, async () => {
		const kept = await recordKept();
		const id = await order(verb);
		await until(`it ${when}`, () => isThen(id), { everyMs: 10 });
		await worker.kill();
		worker = await startRole("worker", service.environment);
		const operation = await tenant.end(id);
		assert.equal(operation.state, "succeeded", JSON.stringify(operation.error));
		assert.equal(operation.attempt, 2);
		await (verb === "hibernate" ? assertAsleep() : assertAwake());
		assert.deepEqual(await recordKept(), kept);
	});
