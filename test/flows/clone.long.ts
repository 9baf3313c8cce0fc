// Secrets are rotated, and an environment is copied, as a tenant sees it: with the service as its users run it, the real
// engine and a real control plane.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { kubectlGet } from "../support/kubectl.ts";
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

const kubeconfig = process.env.TEST_ADMIN_KUBECONFIG ?? "";
let database: TestDatabase;
let service: Service;
let api: Role;
let worker: Role;
let tenant: Caller;

before(async () => {
	database = await createTestDatabase();
	service = await installService({
		databaseUrl: database.url,
		kubeconfig: process.env.TEST_KUBECONFIG ?? "",
	});
	api = await startRole("api", service.environment);
	worker = await startRole("worker", {
		...service.environment,
		LOG_LEVEL: "trace",
	});
	const url = () => api.url;
	tenant = await givenTenant(makeCaller(url, service.adminToken), url, "acme");
	await end(
		await tenant.call("POST", "/v1/environments", {
			name: "qa",
			labels: { team: "blue" },
		}),
	);
});
after(async () => {
	await worker?.stop();
	await api?.stop();
	service?.remove();
	await database?.close();
});

async function end(answer: {
	readonly status: number;
	readonly body: Record<string, unknown>;
}): Promise<string> {
	assert.equal(answer.status, 202, JSON.stringify(answer.body));
	const id = String(answer.body.id);
	const operation = await tenant.end(id, 240_000);
	assert.equal(operation.state, "succeeded", JSON.stringify(operation.error));
	return id;
}

const look = async (name: string) =>
	(await tenant.call("GET", `/v1/environments/${name}`)).body as Record<
		string,
		unknown
	> & { namespace: string };

/** All values in the Secrets of a namespace, by `Secret/key`. */
async function readSecrets(namespace: string): Promise<Map<string, string>> {
	const objects = await kubectlGet(kubeconfig, "secrets", "-n", namespace);
	return new Map(
		objects.flatMap(({ metadata, data }) =>
			Object.entries((data ?? {}) as Record<string, string>).map(
				([key, value]) => [
					`${metadata.name}/${key}`,
					Buffer.from(value, "base64").toString(),
				],
			),
		),
	);
}

/** The uid of the one pod of each part. */
async function readPods(namespace: string): Promise<Map<string, string>> {
	const pods = await kubectlGet(
		kubeconfig,
		"pods",
		"-n",
		namespace,
		"--field-selector=status.phase=Running",
	);
	return new Map(
		pods.map(({ metadata }) => [
			metadata.labels?.["app.kubernetes.io/name"] ?? "",
			(metadata as unknown as { uid: string }).uid,
		]),
	);
}

const tokens = ["MAESTRO_SECRETJWT_PRIVATE", "MAESTRO_WEBSOCKET_SECRET"];

test("rotated secrets are other ones everywhere, what reads them has restarted, and nothing else", async () => {
	const { namespace } = await look("qa");
	const [secrets, pods] = await Promise.all([
		readSecrets(namespace),
		readPods(namespace),
	]);
	const order = await tenant.call(
		"POST",
		"/v1/environments/qa:rotate-secrets",
		{ which: [...tokens, "MONGODB_PASSWORD"] },
	);
	const operation = await end(order);
	const now = await readSecrets(namespace);
	const changed = [...now]
		.filter(([key, value]) => secrets.get(key) !== value)
		.map(([key]) => key);
	assert.deepEqual(
		changed.filter((key) => key.startsWith("jwt/")).sort(),
		tokens.map((name) => `jwt/${name}`),
	);
	assert.ok(changed.includes("datastores/mongodb-password.maestro-client"));
	assert.ok(!changed.includes("datastores/MONGODB_ROOT_PASSWORD"));
	assert.ok(!changed.includes("datastores/RABBITMQ_PASSWORD"));

	// Pods that have to go take their time, while the new ones serve.
	const restarted = await until("the old pods are gone", async () => {
		const [fresh, all] = [
			await readPods(namespace),
			await kubectlGet(kubeconfig, "pods", "-n", namespace),
		];
		const isSettled = all.every(
			({ metadata }) =>
				(metadata as { deletionTimestamp?: string }).deletionTimestamp ===
				undefined,
		);
		return isSettled ? fresh : undefined;
	});
	const same = [...pods].filter(([part, uid]) => restarted.get(part) === uid);
	const kept = same.map(([part]) => part);
	for (const part of ["client", "rabbitmq"])
		assert.ok(kept.includes(part), `${part} has restarted`);
	for (const part of ["server", "websocket", "discovery-worker", "mongodb"])
		assert.ok(!kept.includes(part), `${part} has not restarted`);

	const events = JSON.stringify(await tenant.follow(operation));
	assert.match(events, /rotation\.ordered.*secrets\.rotated/);
	const logs = [events, api.output(), worker.output()].join("\n");
	const passwords = [...secrets, ...now].flatMap(
		([, value]) => value.match(/\b[0-9a-f]{64}\b/g) ?? [],
	);
	assert.ok(passwords.length > 0);
	for (const value of passwords) assert.ok(!logs.includes(value));
	const gone = changed.map((key) => secrets.get(key) ?? "");
	const left = [...now.values()].join("\n");
	for (const value of gone) assert.ok(!left.includes(value));
});

test("what would make stored connections undecodable is refused until it is acknowledged", async () => {
	const { status, body } = await tenant.call(
		"POST",
		"/v1/environments/qa:rotate-secrets",
		{ which: ["MAESTRO_SECRETJWT"] },
	);
	assert.equal(status, 400, JSON.stringify(body));
	assert.match(String(body.detail), /undecodable/);
	assert.match(JSON.stringify(body.errors), /\/acknowledge/);
});

test("a copy without data comes up beside the other, with fresh secrets and addresses of its own", async () => {
	const order = await tenant.call("POST", "/v1/environments/qa:clone", {
		name: "copy",
	});
	await end(order);
	const [source, copy] = [await look("qa"), await look("copy")];
	assert.equal(order.body.environment, copy.id);
	assert.deepEqual(order.body.clonedFrom, copy.clonedFrom);
	assert.deepEqual(copy.clonedFrom, {
		environment: source.id,
		name: "qa",
		revision: 1,
		backup: null,
		keptSecrets: [],
		warnings: [],
	});
	for (const key of ["release", "size", "parameters", "labels", "versions"])
		assert.deepEqual(copy[key], source[key], key);
	assert.equal(copy.lifecycle, "ready");
	assert.equal(source.lifecycle, "ready");
	assert.notDeepEqual(copy.endpoints, source.endpoints);
	const [theirs, own] = await Promise.all([
		readSecrets(source.namespace),
		readSecrets(copy.namespace),
	]);
	assert.deepEqual([...own.keys()], [...theirs.keys()]);
	for (const [key, value] of own)
		if (key.startsWith("jwt/")) assert.notEqual(value, theirs.get(key), key);
});

test("with data of a backup that is in a claim it is refused, and it is said why", async () => {
	await end(await tenant.call("POST", "/v1/environments/qa:backup"));
	const { status, body } = await tenant.call(
		"POST",
		"/v1/environments/qa:clone",
		{ name: "full", data: "latest" },
	);
	assert.equal(status, 409, JSON.stringify(body));
	assert.match(String(body.detail), /claim/);
	const { status: missing } = await tenant.call("GET", "/v1/environments/full");
	assert.equal(missing, 404);
});
