// What each parameter does to the topology, and that it does nothing else.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { findBroker } from "../../programs/maestro/errands.ts";
import {
	type Feature,
	featureProcesses,
	features,
	parameters,
} from "../../src/domain/parameters.ts";
import { type ProcessName, processNames } from "../../src/domain/release.ts";
import {
	type Declaration,
	declare,
	givenInput,
	listContainers,
	listObjects,
	listPlainVariables,
	listPods,
	listSecretVariables,
	loadContainer,
	loadObject,
	loadPod,
} from "./declared.ts";

let plain: Declaration;
before(async () => {
	plain = await declare(givenInput("ha"));
});

const declareWith = (set: unknown) =>
	declare(givenInput("ha", { parameters: parameters.parse(set) }));
const container = (declaration: Declaration, name: ProcessName) =>
	loadContainer(loadPod(loadObject(declaration, "Deployment", name)));
const variables = (declaration: Declaration, name: ProcessName) =>
	listPlainVariables(container(declaration, name));
const listNames = (declaration: Declaration, kind: string) =>
	listObjects(declaration, kind).map(({ metadata }) => metadata.name ?? "");

/** Names of the objects of a kind that differ. */
function listChanged(declaration: Declaration, kind: string): string[] {
	const before = new Map(
		listObjects(plain, kind).map((object) => [
			object.metadata.name,
			JSON.stringify(object),
		]),
	);
	return listObjects(declaration, kind)
		.filter(
			(object) => before.get(object.metadata.name) !== JSON.stringify(object),
		)
		.map(({ metadata }) => metadata.name ?? "");
}

test("replicas are those of the wish, and the size's where it says nothing", async () => {
	const declaration = await declareWith({
		replicas: { data: 5, "reports-worker": 1 },
	});
	const replicas = (name: ProcessName) =>
		loadObject(declaration, "Deployment", name).spec?.replicas;
	assert.equal(replicas("data"), 5);
	assert.equal(replicas("reports-worker"), 1);
	assert.equal(replicas("reports"), 2);
	assert.deepEqual(listChanged(declaration, "Deployment"), [
		"data",
		"reports-worker",
	]);
});

test("more replicas than nodes do not stay pending: two nodes are enough", async () => {
	const declaration = await declareWith({ replicas: { data: 12 } });
	const spread = loadPod(
		loadObject(declaration, "Deployment", "data"),
	).topologySpreadConstraints?.find(
		({ topologyKey }) => topologyKey === "kubernetes.io/hostname",
	);
	assert.equal(spread?.minDomains, 2);
});

test("resources are limits, and a request is never above its limit", async () => {
	const declaration = await declareWith({
		resources: {
			data: { cpu: "50m", memory: "2Gi" },
			"discovery-worker": { cpu: "4" },
		},
	});
	assert.deepEqual(container(declaration, "data").resources, {
		requests: { cpu: "50m", memory: "1024Mi" },
		limits: { cpu: "50m", memory: "2048Mi" },
	});
	assert.equal(
		container(declaration, "discovery-worker").resources?.limits?.cpu,
		"4000m",
	);
	assert.deepEqual(listChanged(declaration, "Deployment"), [
		"data",
		"discovery-worker",
	]);
});

test("storage is the size of the claims, and no StatefulSet is touched by it later", async () => {
	const declaration = await declareWith({
		storage: { mongodb: "50Gi", rabbitmq: "6Gi" },
	});
	const size = (name: string) =>
		loadObject(declaration, "PersistentVolumeClaim", name).spec?.resources
			?.requests.storage;
	for (const ordinal of [0, 1, 2]) {
		assert.equal(size(`data-mongodb-${ordinal}`), "50Gi");
		assert.equal(size(`data-rabbitmq-${ordinal}`), "6Gi");
	}
});

test("the theme and the logo are the client's", async () => {
	const logo = "https://example.test/logo.png";
	const declaration = await declareWith({ theme: "wine", logo });
	assert.equal(variables(declaration, "client").THEME, "wine");
	assert.equal(variables(declaration, "client").LOGO, logo);
	assert.deepEqual(listChanged(declaration, "Deployment"), ["client"]);
});

describe("mail", () => {
	const smtp = { host: "smtp.example.test", sender: "maestro@example.test" };

	test("is sent by the server, without a sign-in where there is no user", async () => {
		const declaration = await declareWith({ smtp });
		const set = variables(declaration, "server");
		assert.deepEqual(
			Object.entries(set).filter(([name]) => name.startsWith("SMTP_")),
			[
				["SMTP_HOST", "smtp.example.test"],
				["SMTP_PORT", "587"],
				["SMTP_SENDER", "maestro@example.test"],
			],
		);
		assert.deepEqual(listChanged(declaration, "Deployment"), ["server"]);
		assert.ok(!listNames(declaration, "Secret").includes("externals"));
	});

	test("is sent with TLS from the first byte only where that is asked for, under the name that the code reads", async () => {
		const declaration = await declareWith({
			smtp: { ...smtp, port: 465, implicitTls: true },
		});
		const set = variables(declaration, "server");
		assert.equal(set.SMTP_USETLS, "true");
		assert.equal(set.SMTP_USETSL, undefined);
		assert.equal(set.SMTP_IGNORE, undefined);
	});

	test("takes its sign-in from a Secret that only the server reads", async () => {
		const declaration = await declareWith({
			smtp: { ...smtp, username: "u", password: "planted-mail" },
		});
		assert.deepEqual(
			loadObject(declaration, "Secret", "externals").stringData,
			{
				SMTP_USERNAME: "u",
				SMTP_PASSWORD: "planted-mail",
			},
		);
		for (const name of processNames)
			assert.equal(
				listSecretVariables(container(declaration, name)).includes(
					"SMTP_PASSWORD",
				),
				name === "server",
			);
		for (const { shown } of declaration.resources)
			assert.doesNotMatch(shown, /planted-mail/);
	});
});

const disabled: Partial<Record<Feature, string>> = {
	discovery: "MAESTRO_DISCOVERY_DISABLED",
	reports: "MAESTRO_REPORT_DISABLED",
	analytics: "MAESTRO_ANALYTICS_DISABLED",
	audit: "MAESTRO_AUDIT_DISABLED",
};

for (const feature of features) {
	describe(`without ${feature}`, () => {
		const absent: readonly string[] = featureProcesses[feature];
		let declaration: Declaration;
		before(async () => {
			declaration = await declareWith({ features: { [feature]: false } });
		});

		test(`there is no ${absent.join(", ")}, and nothing that belongs to them`, () => {
			for (const kind of [
				"Deployment",
				"Service",
				"Ingress",
				"PodDisruptionBudget",
			])
				assert.deepEqual(
					listNames(declaration, kind),
					listNames(plain, kind).filter((name) => !absent.includes(name)),
				);
		});

		test("nobody has their addresses", () => {
			for (const [owner, pod] of listPods(declaration))
				for (const { env = [] } of listContainers(pod))
					for (const { name, value = "" } of env)
						for (const process of absent)
							assert.ok(
								!value.startsWith(`http://${process}:`),
								`${owner} ${name}`,
							);
		});

		test("the server alone is told so, by the variable that it reads", () => {
			for (const [owner, pod] of listPods(declaration))
				for (const { env = [] } of listContainers(pod))
					for (const { name, value } of env)
						if (name.endsWith("_DISABLED"))
							assert.deepEqual(
								[owner, name, value],
								["server", disabled[feature], "true"],
							);
			const variable = disabled[feature];
			if (variable !== undefined)
				assert.equal(variables(declaration, "server")[variable], "true");
		});

		test("its version endpoints are not promised", () => {
			assert.deepEqual(
				declaration.outputs.checks.map(({ process }) => process),
				plain.outputs.checks
					.map(({ process }) => process)
					.filter((process) => !absent.includes(process)),
			);
		});
	});
}

test("without analytics there is no such endpoint, and the client is not sent to one", async () => {
	const declaration = await declareWith({ features: { analytics: false } });
	assert.deepEqual(Object.keys(declaration.outputs.endpoints), [
		"client",
		"server",
		"websocket",
	]);
	assert.equal(variables(declaration, "client").ANALYTICS_URL, undefined);
});

test("without any feature that has workers there is no broker, and nobody waits for one", async () => {
	const declaration = await declareWith({
		features: {
			discovery: false,
			reports: false,
			analytics: false,
			scheduler: false,
		},
	});
	assert.deepEqual(listNames(declaration, "StatefulSet"), ["mongodb"]);
	assert.deepEqual(
		listNames(declaration, "Deployment").sort(),
		["audit", "client", "data", "server", "websocket"].sort(),
	);
	assert.doesNotMatch(JSON.stringify(listPods(declaration)), /rabbitmq/i);
	assert.doesNotMatch(
		JSON.stringify(loadObject(declaration, "Secret", "datastores")),
		/RABBITMQ|BROKER/,
	);
});

describe("with an external MongoDB", () => {
	const uri =
		"mongodb://u:planted-uri@a.example.test:27018,b.example.test/?tls=true";
	let declaration: Declaration;
	before(async () => {
		declaration = await declareWith({ external: { mongodb: uri } });
	});

	test("there is none in the namespace, nor a Job that forms a set, nor a password for it", () => {
		assert.deepEqual(listNames(declaration, "StatefulSet"), ["rabbitmq"]);
		assert.deepEqual(listNames(declaration, "Job"), ["migrate-3"]);
		for (const kind of [
			"Service",
			"PodDisruptionBudget",
			"PersistentVolumeClaim",
		])
			assert.doesNotMatch(listNames(declaration, kind).join(), /mongodb/);
		assert.doesNotMatch(
			JSON.stringify(loadObject(declaration, "Secret", "datastores")),
			/MONGODB_|mongodb-password/,
		);
	});

	test("every process gets its connection string as it is", () => {
		assert.equal(
			loadObject(declaration, "Secret", "datastores").stringData?.[
				"mongodb-uri.maestro-reports"
			],
			uri,
		);
	});

	test("those that waited for the own one wait for it, signed in, with the string in a file", () => {
		const waits = ([, pod]: (typeof pods)[number]) =>
			(pod.initContainers ?? []).map(({ name }) => name);
		const pods = listPods(declaration);
		assert.deepEqual(
			pods
				.filter(([owner]) => owner !== "backup" && owner !== "restore")
				.map(waits),
			listPods(plain)
				.filter(([owner]) => pods.some(([other]) => other === owner))
				.filter(([owner]) => owner !== "backup" && owner !== "restore")
				.map(waits),
		);
		const wait = loadPod(loadObject(declaration, "Deployment", "data"))
			.initContainers?.[0];
		assert.match(
			wait?.command?.join("\n") ?? "",
			/new Mongo\(cat\("\/etc\/impresario\/mongodb\/mongodb-uri\.maestro-client"\)\)/,
		);
	});

	test("the string is in no plain text", () => {
		for (const { shown, type, name } of declaration.resources)
			assert.doesNotMatch(shown, /planted-uri/, `${type} ${name}`);
	});
});

describe("with an external broker", () => {
	const url = "amqps://u:planted-url@mq.example.test/vhost";
	let declaration: Declaration;
	before(async () => {
		declaration = await declareWith({ external: { rabbitmq: url } });
	});

	test("there is none in the namespace, and no password for it", () => {
		assert.deepEqual(listNames(declaration, "StatefulSet"), ["mongodb"]);
		for (const kind of ["Service", "ConfigMap", "PersistentVolumeClaim"])
			assert.doesNotMatch(listNames(declaration, kind).join(), /rabbitmq/);
		assert.doesNotMatch(
			JSON.stringify(loadObject(declaration, "Secret", "datastores")),
			/RABBITMQ_/,
		);
	});

	test("every worker gets its URL as it is, from a Secret", () => {
		assert.equal(
			loadObject(declaration, "Secret", "datastores").stringData
				?.CELERY_BROKER_URL,
			url,
		);
		for (const { shown, type, name } of declaration.resources)
			assert.doesNotMatch(shown, /planted-url/, `${type} ${name}`);
	});

	test("the workers wait for it, by a file that they mount", () => {
		const pod = loadPod(
			loadObject(declaration, "Deployment", "reports-worker"),
		);
		const [wait] = pod.initContainers ?? [];
		assert.equal(wait?.name, "wait-for-rabbitmq");
		assert.match(wait?.command?.[2] ?? "", /CELERY_BROKER_URL/);
		assert.match(JSON.stringify(pod), /"secretName":"datastores"/);
	});
});

const brokers: readonly (readonly [url: string, place: string])[] = [
	["amqp://mq.example.test", "mq.example.test 5672"],
	["amqps://mq.example.test", "mq.example.test 5671"],
	["amqp://u:p@mq.example.test:5673//", "mq.example.test 5673"],
	["amqps://u:p%2Fq@mq.example.test:444/a@b", "mq.example.test 444"],
	["amqps://u:p@mq.example.test?heartbeat=30", "mq.example.test 5671"],
];
for (const [url, place] of brokers) {
	test(`the wait finds ${place} in ${url}`, (t) => {
		const folder = mkdtempSync(join(tmpdir(), "impresario-broker-"));
		t.after(() => rmSync(folder, { recursive: true }));
		writeFileSync(join(folder, "url"), url);
		const { stdout } = spawnSync(
			"bash",
			["-euc", `${findBroker}\necho "$host $port"`],
			{
				encoding: "utf8",
				env: { ...process.env, BROKER_FILE: join(folder, "url") },
			},
		);
		assert.equal(stdout.trim(), place);
	});
}
