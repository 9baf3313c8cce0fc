// MongoDB, RabbitMQ and the Jobs that work on them.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { KubernetesObject } from "../../support/kubectl.ts";
import {
	findNamed,
	type Live,
	listContainers,
	listKind,
	listPlaces,
	listPodsOf,
	loadContainer,
	loadNamed,
	type PodSpec,
	readSecret,
	type Specified,
	type Workload,
} from "./live.ts";

interface ConfigMap extends KubernetesObject {
	readonly data: Readonly<Record<string, string>>;
}
interface Job extends KubernetesObject {
	readonly spec: { readonly template: { readonly spec: PodSpec } };
	readonly status: {
		readonly conditions?: readonly {
			readonly type: string;
			readonly status: string;
		}[];
	};
}

export function promiseStores(live: () => Live): void {
	for (const name of ["mongodb", "rabbitmq"])
		describe(name, () => promiseStore(name, live));
	describe("the replica set", () => promiseReplicaSet(live));
	describe("the broker's cluster", () => promiseCluster(live));
	describe("the migration", () => promiseMigration(live));
}

function promiseStore(name: string, live: () => Live): void {
	const set = () => loadNamed<Workload>(live(), "StatefulSet", name);
	const podSpec = () => set().spec.template.spec;

	test("has three members that are ready", () => {
		assert.equal(set().spec.replicas, 3);
		assert.equal(set().status.readyReplicas, 3);
		assert.equal(listPodsOf(live(), name).length, 3);
	});

	test("never has two members on one node, and has them in three zones", () => {
		assert.deepEqual(
			podSpec().affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.map(
				({ topologyKey }) => topologyKey,
			),
			["kubernetes.io/hostname"],
		);
		for (const label of [
			"kubernetes.io/hostname",
			"topology.kubernetes.io/zone",
		])
			assert.equal(
				listPlaces(live(), listPodsOf(live(), name), label).length,
				3,
				label,
			);
	});

	test("keeps a majority while nodes are drained", () => {
		const budget = loadNamed<Specified>(live(), "PodDisruptionBudget", name);
		assert.equal(budget.spec.maxUnavailable, 1);
	});

	test("has a bound claim for each member, which goes with the namespace only", () => {
		for (const ordinal of [0, 1, 2]) {
			const claim = loadNamed<Specified>(
				live(),
				"PersistentVolumeClaim",
				`data-${name}-${ordinal}`,
			);
			assert.equal(claim.status?.phase, "Bound");
		}
		assert.deepEqual(set().spec.persistentVolumeClaimRetentionPolicy, {
			whenDeleted: "Retain",
			whenScaled: "Retain",
		});
	});

	test("gives its members names before they are ready", () => {
		const { spec } = loadNamed<Specified>(
			live(),
			"Service",
			set().spec.serviceName ?? "",
		);
		assert.equal(spec.clusterIP, "None");
		assert.equal(spec.publishNotReadyAddresses, true);
		assert.equal(set().spec.podManagementPolicy, "Parallel");
	});

	test("is started, watched and told to be ready by probes of its own", () => {
		const container = loadContainer(live(), "StatefulSet", name);
		assert.ok(container.startupProbe);
		assert.ok(container.livenessProbe);
		assert.ok(container.readinessProbe);
	});

	test("may do no more than it needs, and has limits, no links and no token", () => {
		const spec = podSpec();
		assert.equal(spec.enableServiceLinks, false);
		assert.equal(spec.automountServiceAccountToken, false);
		assert.equal(spec.securityContext?.seccompProfile?.type, "RuntimeDefault");
		for (const { name: of, securityContext: may, resources } of listContainers(
			spec,
		)) {
			assert.equal(may?.runAsNonRoot, true, of);
			assert.ok((may?.runAsUser ?? 0) > 0, of);
			assert.deepEqual(may?.capabilities, { drop: ["ALL"] }, of);
			assert.ok(resources.limits?.memory, of);
		}
	});
}

function promiseReplicaSet(live: () => Live): void {
	const member = () => loadContainer(live(), "StatefulSet", "mongodb");
	const words = () => member().command?.join("\n") ?? "";

	test("is of MongoDB 4.4, the newest that Maestro's drivers know", () => {
		assert.match(member().image, /mongo:4\.4\.\d+$/);
	});

	test("authenticates its members by a key file", () => {
		assert.match(words(), /mongod --replSet maestro --keyFile \S+/);
		assert.ok(
			(readSecret(live(), "datastores").MONGODB_KEYFILE ?? "").length >= 64,
		);
	});

	test("has a cache that fits into the container", () => {
		const cache = Number(/--wiredTigerCacheSizeGB (\S+)/.exec(words())?.[1]);
		assert.ok(cache > 0 && cache <= 1);
		assert.equal(member().resources.limits?.memory, "2Gi");
	});

	test("was completed by one Job, which names all members", () => {
		const jobs = listKind<Job>(live(), "Job").filter(({ metadata }) =>
			metadata.name.startsWith("mongodb-init-"),
		);
		const [job] = jobs;
		assert.ok(job !== undefined && jobs.length === 1);
		assertComplete(job);
		const text = JSON.stringify(job.spec.template.spec);
		for (const ordinal of [0, 1, 2])
			assert.ok(text.includes(`mongodb-${ordinal}.mongodb:27017`));
	});

	for (const database of ["maestro-client", "maestro-reports", "maestro-audit"])
		test(`is given to ${database} by a user of its own, with the set's name and majority writes`, () => {
			const uri = new URL(
				(readSecret(live(), "datastores")[`mongodb-uri.${database}`] ?? "")
					.replace(/(@mongodb-0[^,]*),[^/]*/, "$1")
					.replace("mongodb:", "http:"),
			);
			assert.equal(uri.username, database);
			assert.ok(uri.password.length >= 64);
			assert.deepEqual(Object.fromEntries(uri.searchParams), {
				replicaSet: "maestro",
				authSource: "admin",
				w: "majority",
			});
		});

	test("has another password for each user", () => {
		const values = Object.entries(readSecret(live(), "datastores"))
			.filter(([key]) => /password/i.test(key))
			.map(([, value]) => value);
		assert.ok(values.length >= 5);
		assert.equal(new Set(values).size, values.length);
	});
}

function promiseCluster(live: () => Live): void {
	const text = () =>
		loadNamed<ConfigMap>(live(), "ConfigMap", "rabbitmq").data[
			"rabbitmq.conf"
		] ?? "";

	test("is of RabbitMQ 3, with its management", () => {
		assert.match(
			loadContainer(live(), "StatefulSet", "rabbitmq").image,
			/rabbitmq:3\.\d+\.\d+-management$/,
		);
	});

	test("finds its three nodes by itself", () => {
		for (const ordinal of [0, 1, 2])
			assert.ok(
				text().includes(
					`cluster_formation.classic_config.nodes.${ordinal + 1} = rabbit@rabbitmq-${ordinal}.rabbitmq-nodes`,
				),
			);
	});

	test("stops taking messages before its container is killed", () => {
		const mark = Number(
			/vm_memory_high_watermark\.absolute = (\d+)MiB/.exec(text())?.[1],
		);
		const { resources } = loadContainer(live(), "StatefulSet", "rabbitmq");
		assert.equal(resources.limits?.memory, "1Gi");
		assert.ok(mark > 0 && mark < 0.7 * 1024);
	});

	test("stops its smaller side when it is parted, and mirrors Maestro's queues", () => {
		assert.match(text(), /cluster_partition_handling = pause_minority/);
		for (const queue of ["discovery", "reports", "scheduler", "analytics"])
			assert.match(
				text(),
				new RegExp(`queue_pattern = \\^\\(.*\\b${queue}\\b`),
			);
	});

	test("is given to the processes with a password of its own", () => {
		const { CELERY_BROKER_URL, RABBITMQ_PASSWORD } = readSecret(
			live(),
			"datastores",
		);
		assert.equal(
			CELERY_BROKER_URL,
			`amqp://maestro:${RABBITMQ_PASSWORD}@rabbitmq:5672//`,
		);
	});
}

function promiseMigration(live: () => Live): void {
	test("ran once, as a Job whose name carries the revision, with the server's image", () => {
		const jobs = listKind<Job>(live(), "Job").filter(({ metadata }) =>
			metadata.name.startsWith("migrate"),
		);
		assert.deepEqual(
			jobs.map(({ metadata }) => metadata.name),
			["migrate-1"],
		);
		for (const job of jobs) {
			assertComplete(job);
			const runs = listContainers(job.spec.template.spec).find(
				({ command }) => command?.join(" ") === "npm run migrate",
			);
			assert.equal(runs?.workingDir, "/data");
			assert.equal(
				runs?.image,
				loadContainer(live(), "Deployment", "server").image,
			);
		}
	});

	test("is what the server's pods wait for, and do not do themselves", () => {
		const { spec } = loadNamed<Workload>(live(), "Deployment", "server");
		const [wait] = spec.template.spec.initContainers ?? [];
		assert.match(JSON.stringify(wait?.command), /migration has not ended/);
		assert.equal(findNamed(live(), "Job", "migrate-0"), undefined);
	});
}

function assertComplete({ metadata, status }: Job): void {
	assert.ok(
		status.conditions?.some(
			({ type, status: value }) => type === "Complete" && value === "True",
		),
		metadata.name,
	);
}
