// The cluster station against a real API server with real controllers, as the deployer: an ordinary user.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { promisify } from "node:util";
import { makeCluster } from "../../src/cluster/connect.ts";
import { identifyCluster } from "../../src/cluster/identify.ts";
import type { ClusterLimits } from "../../src/cluster/limits.ts";
import {
	type Cluster,
	environmentLabel,
	tenantLabel,
} from "../../src/domain/cluster.ts";
import type { NewEvent } from "../../src/domain/event.ts";
import { createSuffix } from "../../src/domain/ids.ts";
import { Failure } from "../../src/failure.ts";
import { until } from "../support/until.ts";

const run = promisify(execFile);

let path: string;
let kubeconfig: string;
let kubectlPath: string;
let cluster: Cluster;
let namespace: string;
let controller: AbortController;
let events: NewEvent[];
const leftovers = new Set<string>();

before(() => {
	const variable = process.env.TEST_KUBECONFIG;
	assert.ok(
		variable,
		"TEST_KUBECONFIG names no kubeconfig: run the tests with `npm test`, which starts a cluster for them.",
	);
	path = variable;
	kubeconfig = readFileSync(path, "utf8");
	const toolchain =
		process.env.TOOLCHAIN_DIR ??
		join(import.meta.dirname, "../../.impresario/toolchain");
	const tools: Record<string, string> = JSON.parse(
		readFileSync(join(toolchain, "tools.json"), "utf8"),
	);
	kubectlPath = tools.kubectl ?? "kubectl";
});
beforeEach(async () => {
	connect({ stuckGraceMs: 1_000 });
	controller = new AbortController();
	events = [];
	namespace = `cluster-live-${createSuffix(6)}`;
	leftovers.add(namespace);
	await create(makeNamespace());
});
afterEach(() => cluster.close());
after(async () => {
	for (const name of leftovers) {
		await kubectl("delete", "namespace", name, "--wait=false");
	}
});

function connect(limits: Partial<ClusterLimits> = {}): void {
	cluster = makeCluster(kubeconfig, limits);
}
const kubectl = async (...args: readonly string[]) =>
	(await run(kubectlPath, ["--kubeconfig", path, ...args])).stdout;

async function create(...objects: readonly object[]): Promise<void> {
	const list = { apiVersion: "v1", kind: "List", items: objects };
	const running = run(kubectlPath, [
		...["--kubeconfig", path, "apply", "--server-side"],
		...["-f", "-"],
	]);
	running.child.stdin?.end(JSON.stringify(list));
	await running;
}
const hooks = () => ({
	signal: controller.signal,
	onEvent: (event: NewEvent) => {
		events.push(event);
	},
});
const wait = () => cluster.waitUntilReady(namespace, hooks());

const makeNamespace = (labels: Record<string, string> = {}) => ({
	apiVersion: "v1",
	kind: "Namespace",
	metadata: {
		name: namespace,
		labels: {
			[environmentLabel]: "env_live",
			[tenantLabel]: "acme",
			...labels,
		},
	},
});

interface Workload {
	readonly image?: string;
	readonly replicas?: number;
	readonly pod?: object;
	readonly spec?: object;
}

function makeWorkload(
	kind: "Deployment" | "StatefulSet",
	name: string,
	{ image = "maestro/server:0.6.1", replicas = 2, pod, spec }: Workload = {},
) {
	const labels = { app: name };
	return {
		apiVersion: "apps/v1",
		kind,
		metadata: { name, namespace },
		spec: {
			replicas,
			selector: { matchLabels: labels },
			template: {
				metadata: { labels },
				spec: {
					containers: [
						{
							name: "main",
							image,
							ports: [{ containerPort: 8888 }],
							resources: { requests: { cpu: "10m", memory: "16Mi" } },
						},
					],
					...pod,
				},
			},
			...(kind === "StatefulSet" ? { serviceName: name } : {}),
			...spec,
		},
	};
}
const claimed = (storageClassName?: string) => ({
	volumeClaimTemplates: [
		{
			metadata: { name: "data" },
			spec: {
				accessModes: ["ReadWriteOnce"],
				resources: { requests: { storage: "1Gi" } },
				...(storageClassName === undefined ? {} : { storageClassName }),
			},
		},
	],
});
const makeService = (name: string) => ({
	apiVersion: "v1",
	kind: "Service",
	metadata: { name, namespace },
	spec: { selector: { app: name }, ports: [{ port: 8888 }] },
});
const makeJob = (name: string, image: string) => ({
	apiVersion: "batch/v1",
	kind: "Job",
	metadata: { name, namespace },
	spec: {
		backoffLimit: 0,
		template: {
			spec: {
				restartPolicy: "Never",
				containers: [{ name: "main", image }],
			},
		},
	},
});
const quota = (hard: object) => ({
	apiVersion: "v1",
	kind: "ResourceQuota",
	metadata: { name: "narrow", namespace },
	spec: { hard },
});

async function failureOf(asked: Promise<unknown>): Promise<Failure> {
	const error = await asked.then(
		() => undefined,
		(reason: unknown) => reason,
	);
	assert.ok(error instanceof Failure, String(error));
	return error;
}
const told = () =>
	events.map(({ type, data }) =>
		[type, "name" in data ? data.name : "", "reason" in data ? data.reason : ""]
			.join(" ")
			.trim(),
	);

test("a namespace with all kinds of workloads becomes ready, each told once", async () => {
	await create(
		makeWorkload("Deployment", "server"),
		makeWorkload("StatefulSet", "mongodb", { replicas: 3, spec: claimed() }),
		makeJob("migrate", "maestro/server:0.6.1"),
	);
	await wait();
	assert.deepEqual(told().sort(), [
		"workload.ready migrate",
		"workload.ready mongodb",
		"workload.ready server",
	]);
});

test("a rollout is waited for to its end", async () => {
	await create(makeWorkload("Deployment", "server", { replicas: 1 }));
	await wait();
	const image = "maestro/server:slow";
	await create(makeWorkload("Deployment", "server", { image, replicas: 1 }));
	await wait();
	const images = await kubectl(
		...["-n", namespace, "get", "pods", "-l", "app=server", "-o"],
		"jsonpath={.items[*].spec.containers[0].image}",
	);
	assert.equal(images.trim(), image);
});

const stuckImages = [
	["no-such-image", /(ErrImagePull|ImagePullBackOff)/],
	["crash", /CrashLoopBackOff/],
] as const;
for (const [tag, reason] of stuckImages) {
	test(`an image that is ${tag} is told within seconds and ends the wait`, async () => {
		const image = `maestro/server:${tag}`;
		await create(makeWorkload("Deployment", "server", { image }));
		const since = performance.now();
		const failure = await failureOf(wait());
		assert.ok(performance.now() - since < 10_000);
		assert.equal(failure.code, "workload_stuck");
		assert.match(failure.message, reason);
	});
}

test("an upgrade that mends a stuck one is not held up by its pods", async () => {
	const broken = { image: "maestro/server:no-such-image" };
	await create(makeWorkload("Deployment", "server", broken));
	assert.equal((await failureOf(wait())).code, "workload_stuck");
	await create(makeWorkload("Deployment", "server"));
	await wait();
});

test("a StatefulSet whose old pod is stuck says that it must be deleted", async () => {
	const broken = { image: "maestro/server:no-such-image", replicas: 1 };
	await create(makeWorkload("StatefulSet", "mongodb", broken));
	await failureOf(wait());
	await create(makeWorkload("StatefulSet", "mongodb", { replicas: 1 }));
	const failure = await failureOf(wait());
	assert.equal(failure.code, "workload_stuck");
	const command = `kubectl -n ${namespace} delete pod mongodb-0`;
	assert.ok(failure.advice?.includes(command), failure.advice);
	await kubectl("-n", namespace, "delete", "pod", "mongodb-0");
	await wait();
});

for (const kind of ["Deployment", "StatefulSet"] as const) {
	test(`a ${kind} for which the quota is too small says so`, async () => {
		await create(quota({ pods: "1" }));
		await create(makeWorkload(kind, "server"));
		const failure = await failureOf(wait());
		assert.equal(failure.code, "workload_stuck");
		assert.match(failure.message, /FailedCreate.*exceeded quota: narrow/);
		assert.match(failure.advice ?? "", /smaller size/);
	});
}

test("a Job for which the quota is too small says so", async () => {
	await create(quota({ pods: "0" }));
	await create(makeJob("migrate", "maestro/server:0.6.1"));
	const failure = await failureOf(wait());
	assert.match(failure.message, /Job migrate: FailedCreate.*exceeded quota/);
});

test("a quota that is widened in time does not end the wait", async () => {
	connect({ stuckGraceMs: 60_000 });
	await create(quota({ pods: "1" }));
	await create(makeWorkload("Deployment", "server"));
	const waiting = wait();
	await until("it is told", () => events.length > 0);
	await create(quota({ pods: "10" }));
	await waiting;
	assert.deepEqual(told(), [
		"workload.stuck server FailedCreate",
		"workload.ready server",
	]);
});

test("a pod that the namespace's Pod Security forbids is told", async () => {
	await create(
		makeNamespace({ "pod-security.kubernetes.io/enforce": "restricted" }),
	);
	await create(makeWorkload("Deployment", "server"));
	const failure = await failureOf(wait());
	assert.match(failure.message, /violates PodSecurity "restricted/);
});

test("a storage class that is not there is told of the claim", async () => {
	const spec = claimed("no-such-class");
	await create(makeWorkload("StatefulSet", "mongodb", { replicas: 1, spec }));
	const failure = await failureOf(wait());
	assert.match(
		failure.message,
		/PersistentVolumeClaim data-mongodb-0: ProvisioningFailed.*no-such-class.*not found/,
	);
});

test("a pod for which there is no node is told, and its time is given to it", async () => {
	const pod = { nodeSelector: { "example.com/no": "such-node" } };
	await create(makeWorkload("Deployment", "server", { pod, replicas: 1 }));
	const waiting = wait();
	await until("it is told", () => events.length > 0);
	assert.deepEqual(told(), ["workload.stuck server Unschedulable"]);
	controller.abort();
	const failure = await failureOf(waiting);
	assert.equal(failure.code, "cancelled");
	assert.match(failure.message, /Deployment server \(Unschedulable\./);
});

test("a Job that fails ends the wait with its pod's exit code", async () => {
	await create(makeJob("migrate", "maestro/server:crash"));
	const failure = await failureOf(wait());
	assert.match(
		failure.message,
		/Job migrate: BackoffLimitExceeded\..*exit code/,
	);
});

const verifyRequest = (run: string, version: string | null) => ({
	namespace,
	run,
	image: "maestro/server:0.6.1",
	checks: [{ process: "server", url: "http://server:8888/", version }],
});

test("a verification returns what the endpoints answer, and a repeated one takes the Job over", async () => {
	await create(makeWorkload("Deployment", "server"), makeService("server"));
	await wait();
	const first = await cluster.verify(verifyRequest("a-1", "0.6.1"), hooks());
	assert.deepEqual(first, { server: "0.6.1" });
	const again = await cluster.verify(verifyRequest("a-1", "0.6.1"), hooks());
	assert.deepEqual(again, first);
	const jobs = await kubectl("-n", namespace, "get", "jobs", "-o", "name");
	assert.equal(jobs.trim(), "job.batch/verify-a-1");
});

test("a verification that finds another version fails, and the next wait is not held up by its Job", async () => {
	await create(makeWorkload("Deployment", "server"), makeService("server"));
	await wait();
	const failure = await failureOf(
		cluster.verify(verifyRequest("a-1", "0.7.0"), hooks()),
	);
	assert.equal(failure.code, "verification_failed");
	assert.match(failure.message, /server \(expected 0\.7\.0, got 0\.6\.1\)/);
	await until("the Job is called failed", async () =>
		(
			await kubectl("-n", namespace, "get", "job", "verify-a-1", "-o", "json")
		).includes('"Failed"'),
	);
	await wait();
});

test("the verification Job is let in where Pod Security is restricted", async () => {
	await create(
		makeNamespace({ "pod-security.kubernetes.io/enforce": "restricted" }),
	);
	const failure = await failureOf(
		cluster.verify(verifyRequest("a-1", null), hooks()),
	);
	assert.match(failure.message, /server \(no such host: server\)/);
});

test("a verification for which the quota is too small says so", async () => {
	await create(quota({ pods: "0" }));
	const failure = await failureOf(
		cluster.verify(verifyRequest("a-1", null), hooks()),
	);
	assert.equal(failure.code, "workload_stuck");
	assert.match(failure.message, /Job verify-a-1: FailedCreate.*exceeded quota/);
});

test("a namespace is deleted with all in it", async () => {
	await create(
		makeWorkload("Deployment", "server", {
			pod: { terminationGracePeriodSeconds: 90 },
		}),
		makeWorkload("StatefulSet", "mongodb", { spec: claimed() }),
	);
	await wait();
	await cluster.deleteNamespace(namespace, "env_live", hooks());
	const left = await kubectl("get", "namespaces", "-o", "name");
	assert.ok(!left.includes(namespace));
	leftovers.delete(namespace);
	await cluster.deleteNamespace(namespace, "env_live", hooks());
});

test("a namespace of another environment is left alone", async () => {
	const failure = await failureOf(
		cluster.deleteNamespace(namespace, "env_other", hooks()),
	);
	assert.equal(failure.code, "conflict");
	const phase = await kubectl(
		...["get", "namespace", namespace, "-o", "jsonpath={.status.phase}"],
	);
	assert.equal(phase, "Active");
});

test("a deletion that a finalizer holds up says so, and goes on where it stopped", async () => {
	await create({
		apiVersion: "v1",
		kind: "ConfigMap",
		metadata: { name: "held", namespace, finalizers: ["example.com/hold"] },
	});
	const deleting = failureOf(
		cluster.deleteNamespace(namespace, "env_live", hooks()),
	);
	await until("the namespace says what it waits for", async () =>
		(await kubectl("get", "namespace", namespace, "-o", "json")).includes(
			"example.com/hold",
		),
	);
	// The same news reaches the client by its own watch; a moment later at the latest.
	await kubectl("get", "namespace", namespace);
	controller.abort();
	const failure = await deleting;
	assert.equal(failure.code, "cancelled");
	assert.match(failure.message, /NamespaceFinalizersRemaining.*example\.com/);

	controller = new AbortController();
	const again = cluster.deleteNamespace(namespace, "env_live", hooks());
	await kubectl(
		...["-n", namespace, "patch", "configmap", "held", "--type=merge"],
		...["-p", '{"metadata":{"finalizers":null}}'],
	);
	await again;
	leftovers.delete(namespace);
});

test("a cluster is identified by what never changes", async () => {
	const uid = await kubectl(
		...["get", "namespace", "kube-system", "-o", "jsonpath={.metadata.uid}"],
	);
	assert.equal(await identifyCluster(kubeconfig), uid);
});

test("an API server whose certificate is not trusted is not talked to", async () => {
	const untrusting = kubeconfig.replace(
		/certificate-authority-data:? ?[^\s,}]+|"certificate-authority-data": ?"[^"]+",?/,
		"",
	);
	assert.notEqual(untrusting, kubeconfig);
	const failure = await failureOf(identifyCluster(untrusting));
	assert.equal(failure.code, "unavailable");
	assert.equal(failure.retryable, false);
	assert.match(failure.message, /cannot be trusted/);
});

test("somebody without rights learns which one is missing", async () => {
	const anonymous = kubeconfig.replace(
		/client-(certificate|key)-data/g,
		"ignored-$1-data",
	);
	assert.notEqual(anonymous, kubeconfig);
	const failure = await failureOf(identifyCluster(anonymous));
	assert.equal(failure.code, "not_set_up");
	assert.match(failure.message, /lacks the right to get namespaces/);
});
