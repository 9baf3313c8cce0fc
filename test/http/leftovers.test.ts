// What a platform admin is told of targets, with clusters and accounts that a test can bring into any state.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, beforeEach, test } from "node:test";
import {
	bucketType,
	type Cloud,
	type OwnedStorage,
	userType,
} from "../../src/domain/aws.ts";
import type {
	Cluster,
	ObjectName,
	OwnedObject,
} from "../../src/domain/cluster.ts";
import type { Environment } from "../../src/domain/environment.ts";
import { storageName } from "../../src/domain/names.ts";
import { Failure } from "../../src/failure.ts";
import { registerTarget } from "../../src/operations/target.ts";
import { createStack } from "../../src/store/state.ts";
import { createCheckpoint } from "../../src/store/state-checkpoints.ts";
import { refused } from "../support/answers.ts";
import { makeScriptedWorld } from "../support/engine.ts";
import { type Door, endOperation, givenEnvironment, openDoor } from "./door.ts";

/** What there is, for all targets. */
interface World {
	namespaces: OwnedObject[];
	objects: OwnedObject[];
	/** There, without a label that says so. */
	unlabelled: ObjectName[];
	storage: OwnedStorage[];
	kept: string[];
	/** By the text of its kubeconfig: what a cluster does instead of answering. */
	away: Record<string, (signal: AbortSignal) => Promise<never>>;
	/** For which namespaces objects were listed. */
	asked: (string | undefined)[];
}

let door: Door;
let world: World;
const empty = (): World => ({
	namespaces: [],
	objects: [],
	unlabelled: [],
	storage: [],
	kept: [],
	away: {},
	asked: [],
});

const makeCluster = (kubeconfig: string): Cluster => ({
	...makeScriptedWorld().connectCluster(kubeconfig),
	async listNamespaces(signal) {
		await world.away[kubeconfig]?.(signal);
		return kubeconfig === "main" ? world.namespaces : [];
	},
	async listObjects(namespace) {
		world.asked.push(namespace);
		return kubeconfig === "main" ? world.objects : [];
	},
	hasObject: async ({ kind, name }) =>
		world.unlabelled.some((one) => one.kind === kind && one.name === name),
});
const makeCloud = (): Cloud => ({
	clearUnknown: async () => [],
	listOwned: async () => world.storage,
	findOwned: async (environment) =>
		world.storage.filter((one) => one.environment === environment),
	copyFolder: async () => 0,
	isKept: async (bucket) => world.kept.includes(bucket),
	close: () => {},
});

const describeTarget = (name: string) => ({
	name,
	kubeconfig: name,
	clusterIdentifier: name,
	domain: "apps.example.test",
	ingressClass: null,
	storageClass: null,
});

before(async () => {
	world = empty();
	door = await openDoor({
		reach: {
			connectCluster: async (kubeconfig) => makeCluster(kubeconfig),
			connectCloud: async () => makeCloud(),
		},
	});
	await door.db
		.updateTable("targets")
		.set({ name: "main", cluster_identifier: "main" })
		.execute();
	await registerTarget(door.installation, {
		...describeTarget("main"),
		aws: {
			region: "eu-central-1",
			accessKeyId: "key",
			secretAccessKey: "planted",
			endpoint: null,
		},
	});
	await registerTarget(door.installation, describeTarget("other"));
});
after(() => door.close());
beforeEach(async () => {
	world = empty();
	// Those of the test before are nobody's business any more.
	await door.db
		.updateTable("environments")
		.set({ lifecycle: "destroyed" })
		.execute();
});

async function look(environment?: string) {
	const body = await door.platformAdmin.client.listLeftovers(
		environment === undefined ? {} : { environment },
	);
	assert.ok(!JSON.stringify(body).includes("planted"));
	const { items } = body;
	return {
		body,
		items,
		told: items.map(({ finding, kind, name }) => `${finding} ${kind} ${name}`),
	};
}

/** An environment whose create ended, with a state of the engine's that names two objects and a bucket. */
async function givenReady(): Promise<Environment> {
	const { environment, operation } = await givenEnvironment(door);
	await endOperation(door.db, operation.id);
	const { id, namespace } = environment;
	const stack = await createStack(door.db, {
		project: "impresario-maestro",
		name: id.replace("_", "-"),
		environment: id,
		tags: {},
		dataKey: randomBytes(32),
	});
	const resources = [
		{ type: "pulumi:pulumi:Stack", urn: "urn:stack" },
		{ type: "kubernetes:core/v1:Namespace", id: namespace },
		{
			type: "kubernetes:core/v1:Secret",
			id: `${namespace}/gone`,
			delete: true,
		},
		{ type: "kubernetes:apps/v1:Deployment", id: `${namespace}/server` },
		{ type: bucketType, id: storageName(id, "uploads") },
	];
	for (const [version, named] of [
		[1, []],
		[2, resources],
	] as const) {
		await createCheckpoint(door.db, {
			stack,
			version,
			schemaVersion: 3,
			features: [],
			deployment: JSON.stringify(
				version === 1 ? { resources: null } : { resources: named },
			),
			resourceCount: named.length,
		});
	}
	world.namespaces.push(makeNamespace(namespace, id));
	world.objects.push(makeObject(environment, "apps/v1/Deployment", "server"));
	world.storage.push({
		kind: bucketType,
		name: storageName(id, "uploads"),
		environment: id,
	});
	return environment;
}

const makeNamespace = (name: string, environment: string): OwnedObject => ({
	kind: "v1/Namespace",
	namespace: null,
	name,
	environment,
	tenant: "acme",
});
const makeObject = (
	{ id, namespace }: Environment,
	kind: string,
	name: string,
): OwnedObject => ({ kind, namespace, name, environment: id, tenant: "acme" });
const gone = "env_0000000000000000gone";

test("where all is as it should be, all targets are told to have answered, and nothing is found", async () => {
	await givenReady();
	const { body, told } = await look();
	assert.deepEqual(told, []);
	assert.deepEqual(body.targets, [
		{ name: "main", reachable: true, error: null },
		{ name: "other", reachable: true, error: null },
	]);
	assert.equal(body.isCut, false);
});

test("a stray, something missing and something unknown are each told with their place", async () => {
	const environment = await givenReady();
	world.namespaces.push(makeNamespace("nobodys", gone));
	world.objects = [makeObject(environment, "v1/ConfigMap", "extra")];
	const { body, told, items } = await look();
	assert.deepEqual(told, [
		"stray v1/Namespace nobodys",
		"unknown v1/ConfigMap extra",
		"missing apps/v1/Deployment server",
	]);
	const { advice, ...rest } = items[1] ?? assert.fail();
	assert.deepEqual(rest, {
		finding: "unknown",
		target: "main",
		environment: environment.id,
		tenant: "acme",
		namespace: environment.namespace,
		kind: "v1/ConfigMap",
		name: "extra",
	});
	assert.match(advice, /kubectl/);
	assert.equal(body.nextPageToken, null);
});

test("an object that lost its labels only is not missing", async () => {
	await givenReady();
	world.unlabelled = world.objects.splice(0);
	assert.deepEqual((await look()).told, []);
});

test("buckets and users of nobody are told, and one that was kept on purpose is not", async () => {
	const kept = storageName("env_0000000000000000kept", "backups");
	world.storage = [
		{ kind: bucketType, name: storageName(gone, "backups"), environment: gone },
		{ kind: userType, name: storageName(gone, "backups"), environment: gone },
		{ kind: bucketType, name: kept, environment: "env_0000000000000000kept" },
	];
	world.kept = [kept];
	const { told } = await look();
	assert.deepEqual(told.sort(), [
		`stray ${userType} ${storageName(gone, "backups")}`,
		`stray ${bucketType} ${storageName(gone, "backups")}`,
	]);
});

test("of an environment that an operation moves nothing is said but that", async () => {
	const { environment } = await givenEnvironment(door);
	world.namespaces = [makeNamespace("another", environment.id)];
	world.objects = [makeObject(environment, "v1/ConfigMap", "extra")];
	const { body, told } = await look();
	assert.deepEqual(told, []);
	assert.deepEqual(body.leftOut, [environment.id]);
});

test("one environment can be asked for: nothing else is looked at", async () => {
	const environment = await givenReady();
	await givenReady();
	world.namespaces.push(makeNamespace("nobodys", gone));
	world.objects.splice(0);
	world.asked = [];
	const { body, told } = await look(environment.id);
	assert.deepEqual(told, ["missing apps/v1/Deployment server"]);
	assert.deepEqual(world.asked, [environment.namespace]);
	assert.deepEqual(
		body.targets.map(({ name }) => name),
		["main"],
	);
});

test("an environment that nobody ordered is not found", async () => {
	const answer = await refused(
		door.platformAdmin.client.listLeftovers({ environment: gone }),
	);
	assert.equal(answer.status, 404);
});

test("a target that does not answer is told of, and the others are looked at", async () => {
	world.namespaces = [makeNamespace("nobodys", gone)];
	world.away.other = () =>
		Promise.reject(
			new Failure({ code: "unavailable", message: "It refuses." }),
		);
	const { body, told } = await look();
	assert.deepEqual(body.targets, [
		{ name: "main", reachable: true, error: null },
		{ name: "other", reachable: false, error: "It refuses." },
	]);
	assert.deepEqual(told, ["stray v1/Namespace nobodys"]);
});

test("a target whose cluster is away says what its account has, and claims nothing of the cluster", async () => {
	await givenReady();
	world.storage.push({
		kind: bucketType,
		name: storageName(gone, "uploads"),
		environment: gone,
	});
	world.away.main = () =>
		Promise.reject(
			new Failure({ code: "unavailable", message: "It refuses." }),
		);
	assert.deepEqual((await look()).told, [
		`stray ${bucketType} ${storageName(gone, "uploads")}`,
	]);
});

test("a target that takes too long is given up, and that is said", async (t) => {
	const { timeout } = AbortSignal;
	t.mock.method(AbortSignal, "timeout", (ms: number) =>
		timeout.call(AbortSignal, Math.min(ms, 50)),
	);
	world.away.other = (signal) =>
		new Promise((_, reject) => {
			signal.addEventListener("abort", () =>
				reject(new Failure({ code: "cancelled", message: "It was cut." })),
			);
		});
	const { body } = await look();
	const [, other] = body.targets;
	assert.equal(other?.reachable, false);
	assert.match(other?.error ?? "", /within 10 s/);
});

test("what is too much for one answer is cut, and that is said", async () => {
	world.namespaces = Array.from({ length: 1_001 }, (_, i) =>
		makeNamespace(`nobodys-${i}`, gone),
	);
	const { body, items } = await look();
	assert.equal(items.length, 1_000);
	assert.equal(body.isCut, true);
});

test("nothing of this was a mistake of ours", () => {
	assert.deepEqual(
		door.log.filter(({ level }) => level === "error"),
		[],
	);
});
