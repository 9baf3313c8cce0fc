// MongoDB and RabbitMQ as StatefulSets, and the Jobs of a revision.
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { configure } from "../../programs/maestro/rabbitmq.ts";
import { sizings } from "../../src/domain/sizing.ts";
import {
	type Declaration,
	declare,
	givenInput,
	listObjects,
	listPlainVariables,
	loadContainer,
	loadObject,
	loadPod,
} from "./declared.ts";

let small: Declaration;
let ha: Declaration;
before(async () => {
	small = await declare(givenInput("small"));
	ha = await declare(givenInput("ha"));
});

for (const name of ["mongodb", "rabbitmq"]) {
	test(`${name} has one member in small and three in ha, all started at once`, () => {
		const sets = [small, ha].map((size) =>
			loadObject(size, "StatefulSet", name),
		);
		assert.deepEqual(
			sets.map(({ spec }) => spec?.replicas),
			[1, 3],
		);
		for (const { spec } of sets)
			assert.equal(spec?.podManagementPolicy, "Parallel");
	});

	test(`the members of ${name} have names before they are ready`, () => {
		const { spec } = loadObject(ha, "StatefulSet", name);
		const service = loadObject(ha, "Service", spec?.serviceName ?? "");
		assert.equal(service.spec?.clusterIP, "None");
		assert.equal(service.spec?.publishNotReadyAddresses, true);
	});

	test(`the data of ${name} outlives its StatefulSet, in the class of the target`, async () => {
		const { target } = givenInput("ha");
		const classy = await declare(
			givenInput("ha", { target: { ...target, storageClass: "fast" } }),
		);
		const claim = (size: Declaration) => {
			const { spec } = loadObject(size, "StatefulSet", name);
			assert.deepEqual(spec?.persistentVolumeClaimRetentionPolicy, {
				whenDeleted: "Retain",
				whenScaled: "Retain",
			});
			return spec?.volumeClaimTemplates?.[0]?.spec;
		};
		assert.equal(claim(ha)?.storageClassName, undefined);
		assert.equal(claim(classy)?.storageClassName, "fast");
		assert.match(claim(ha)?.resources.requests.storage ?? "", /^\d+Gi$/);
	});

	test(`${name} has a disruption budget where it has a majority to keep`, () => {
		const budgets = [small, ha].map(
			(size) =>
				listObjects(size, "PodDisruptionBudget").filter(
					({ metadata }) => metadata.name === name,
				).length,
		);
		assert.deepEqual(budgets, [0, 1]);
	});
}

test("MongoDB is of the line that Maestro's drivers know", () => {
	const pod = loadPod(loadObject(ha, "StatefulSet", "mongodb"));
	assert.match(loadContainer(pod).image, /^mongo:4\.4\.\d+$/);
});

test("a member starts with authentication, and with a cache that fits its limit", () => {
	for (const size of [small, ha]) {
		const container = loadContainer(
			loadPod(loadObject(size, "StatefulSet", "mongodb")),
		);
		const script = container.command?.join("\n") ?? "";
		assert.match(
			script,
			/mongod --replSet maestro --keyFile \S+ --bind_ip_all/,
		);
		const cacheGiB = Number(/--wiredTigerCacheSizeGB (\S+)/.exec(script)?.[1]);
		const limitMiB = Number.parseInt(
			container.resources?.limits?.memory ?? "",
			10,
		);
		assert.ok(cacheGiB > 0 && cacheGiB * 1024 <= limitMiB / 2);
	}
});

const listJobs = (declaration: Declaration) =>
	listObjects(declaration, "Job").map(({ metadata }) => metadata.name ?? "");

test("the migration carries the revision; Jobs end in time, and are kept when they are done", () => {
	const [migration, completion, ...rest] = listJobs(ha).sort();
	assert.deepEqual(rest, []);
	assert.equal(migration, "migrate-3");
	assert.match(completion ?? "", /^mongodb-init-[0-9a-f]{16}$/);
	for (const { spec } of listObjects(ha, "Job")) {
		assert.ok((spec?.backoffLimit ?? 99) <= 6);
		assert.ok((spec?.activeDeadlineSeconds ?? 9999) <= 900);
		assert.equal(spec?.ttlSecondsAfterFinished, undefined);
	}
});

test("the migration waits for MongoDB, runs upstream's script in the server's image, and notes its success", () => {
	const pod = loadPod(loadObject(ha, "Job", "migrate-3"));
	assert.deepEqual(
		pod.initContainers?.map(({ name, image }) => [name, image]),
		[
			["wait-for-mongodb", "mongo:4.4.29"],
			["migrate", "maestroserver/server-maestro:0.6.0"],
		],
	);
	assert.deepEqual(pod.initContainers?.[1]?.command, ["npm", "run", "migrate"]);
	assert.match(
		loadContainer(pod).command?.join("\n") ?? "",
		/impresario_migrations\.updateOne\(\{ _id: "maestroserver\/server-maestro:0\.6\.0" \}/,
	);
});

test("a second revision with the same server image leaves the server's pods alone", async () => {
	const next = await declare(givenInput("ha", { revision: 4 }));
	assert.deepEqual(
		loadObject(next, "Deployment", "server"),
		loadObject(ha, "Deployment", "server"),
	);
	const [migration, completion] = listJobs(next).sort();
	assert.equal(migration, "migrate-4");
	assert.ok(listJobs(ha).includes(completion ?? ""));
});

test("a set with more members or other passwords is completed by another Job", async () => {
	const input = givenInput("ha");
	const others = [
		givenInput("small"),
		{ ...input, secrets: { ...input.secrets, MONGODB_PASSWORD: "another" } },
	];
	for (const other of others) {
		const jobs = listJobs(await declare(other));
		assert.deepEqual(
			jobs.filter((name) => listJobs(ha).includes(name)),
			["migrate-3"],
		);
	}
});

test("a single broker has no cluster to configure", () => {
	const text = configure(sizings.small.rabbitmq);
	assert.doesNotMatch(text, /cluster_formation|policies/);
});

test("three brokers know each other by name, stop in a minority and mirror Celery's queues", () => {
	assert.equal(
		configure(sizings.ha.rabbitmq),
		`cluster_name = maestro
prometheus.return_per_object_metrics = true
vm_memory_high_watermark.absolute = 614MiB
cluster_formation.peer_discovery_backend = classic_config
cluster_formation.classic_config.nodes.1 = rabbit@rabbitmq-0.rabbitmq-nodes
cluster_formation.classic_config.nodes.2 = rabbit@rabbitmq-1.rabbitmq-nodes
cluster_formation.classic_config.nodes.3 = rabbit@rabbitmq-2.rabbitmq-nodes
cluster_partition_handling = pause_minority
default_policies.operator.mirrored.queue_pattern = ^(discovery|reports|scheduler|analytics)$
default_policies.operator.mirrored.vhost_pattern = .*
default_policies.operator.mirrored.classic_queues.ha_mode = exactly
default_policies.operator.mirrored.classic_queues.ha_params = 2
default_policies.operator.mirrored.classic_queues.ha_sync_mode = automatic
`,
	);
});

test("a broker goes by the name that its peers are configured with", () => {
	const pod = loadPod(loadObject(ha, "StatefulSet", "rabbitmq"));
	const variables = listPlainVariables(loadContainer(pod));
	assert.equal(
		variables.RABBITMQ_NODENAME,
		"rabbit@$(POD_NAME).rabbitmq-nodes",
	);
	assert.equal(variables.RABBITMQ_USE_LONGNAME, "true");
});
