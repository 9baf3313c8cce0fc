// Who gets which secret, and that none of them is ever plain.
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { databases } from "../../programs/maestro/processes.ts";
import { type ProcessName, processNames } from "../../src/domain/release.ts";
import { createSecrets, secretNames } from "../../src/domain/secret.ts";
import {
	type Declaration,
	declare,
	givenInput,
	listContainers,
	listObjects,
	listPods,
	listSecretVariables,
	loadContainer,
	loadObject,
	loadPod,
	plantedKubeconfig,
	plantedSecrets,
} from "./declared.ts";

const serviceAuth = [
	"server",
	"discovery",
	"discovery-worker",
	"reports",
	"reports-worker",
	"scheduler",
	"scheduler-worker",
	"analytics",
	"analytics-worker",
	"analytics-front",
	"data",
	"audit",
] as const;

/** The matrix of Maestro's fact sheet: a value must be the same on exactly these. */
const holders: Record<string, readonly ProcessName[]> = {
	MAESTRO_SECRETJWT: [
		"server",
		"discovery",
		"discovery-worker",
		"analytics-front",
		"websocket",
	],
	MAESTRO_SECRETJWT_PRIVATE: serviceAuth,
	MAESTRO_NOAUTH: serviceAuth,
	MAESTRO_SECRETJWT_PUBLIC: ["server", "analytics-front"],
	MAESTRO_WEBSOCKET_SECRET: [
		"discovery-worker",
		"reports-worker",
		"analytics-worker",
		"websocket",
	],
	MAESTRO_SECRETJWT_FORGOT: ["server"],
	MAESTRO_SECRET_CRYPTO_FORGOT: ["server"],
	MAESTRO_MONGO_URI: [
		"server",
		"reports",
		"reports-worker",
		"scheduler",
		"analytics-front",
		"data",
		"audit",
	],
	CELERY_BROKER_URL: [
		"discovery",
		"discovery-worker",
		"reports",
		"reports-worker",
		"scheduler",
		"scheduler-worker",
		"analytics",
		"analytics-worker",
	],
};

let ha: Declaration;
let small: Declaration;
before(async () => {
	ha = await declare(givenInput("ha"));
	small = await declare(givenInput("small"));
});

for (const [variable, processes] of Object.entries(holders)) {
	test(`${variable} is on ${processes.join(", ")} and on no other process`, () => {
		const found = processNames.filter((name) => {
			const pod = loadPod(loadObject(ha, "Deployment", name));
			return listSecretVariables(loadContainer(pod)).includes(variable);
		});
		assert.deepEqual(
			found,
			processNames.filter((name) => processes.includes(name)),
		);
	});
}

test("the client holds no secret", () => {
	const pod = loadPod(loadObject(ha, "Deployment", "client"));
	assert.deepEqual(listSecretVariables(loadContainer(pod)), []);
});

test("every reference leads to a key that exists", () => {
	const keys = new Map(
		listObjects(ha, "Secret").map((secret) => [
			secret.metadata.name,
			Object.keys(secret.stringData ?? {}),
		]),
	);
	for (const [owner, pod] of listPods(ha))
		for (const container of listContainers(pod))
			for (const variable of container.env ?? []) {
				const from = variable.valueFrom?.secretKeyRef;
				if (from !== undefined)
					assert.ok(
						keys.get(from.name)?.includes(from.key),
						`${owner}: ${from.name}/${from.key}`,
					);
			}
});

test("the Secrets hold the environment's own values", () => {
	const jwt = loadObject(ha, "Secret", "jwt").stringData ?? {};
	assert.equal(Object.keys(jwt).length, 7);
	for (const [name, value] of Object.entries(jwt))
		assert.equal(value, `planted-${name}`);
});

const loadValue = (size: Declaration, key: string) =>
	loadObject(size, "Secret", "datastores").stringData?.[key] ?? "";

test("the connection strings name the members of the size, and the user of the database", () => {
	for (const database of databases) {
		const password = loadValue(ha, `mongodb-password.${database}`);
		assert.match(password, /^[0-9a-f]{64}$/);
		assert.equal(
			loadValue(small, `mongodb-uri.${database}`),
			`mongodb://${database}:${password}@mongodb-0.mongodb:27017/?replicaSet=maestro&authSource=admin&w=majority`,
		);
		assert.equal(
			loadValue(ha, `mongodb-uri.${database}`),
			`mongodb://${database}:${password}@mongodb-0.mongodb:27017,mongodb-1.mongodb:27017,mongodb-2.mongodb:27017/?replicaSet=maestro&authSource=admin&w=majority`,
		);
	}
	assert.equal(
		loadValue(ha, "CELERY_BROKER_URL"),
		"amqp://maestro:planted-RABBITMQ_PASSWORD@rabbitmq:5672//",
	);
});

test("each user of MongoDB has another password, and it is no other secret", () => {
	const { stringData = {} } = loadObject(ha, "Secret", "datastores");
	const passwords = Object.entries(stringData)
		.filter(([key]) => key.startsWith("mongodb-password."))
		.map(([, value]) => value);
	assert.equal(passwords.length, 4);
	assert.equal(
		new Set(Object.values(stringData)).size,
		Object.keys(stringData).length,
	);
});

test("a process gets the connection string of its own database", () => {
	for (const [name, database] of [
		["server", "maestro-client"],
		["data", "maestro-client"],
		["scheduler", "maestro-client"],
		["reports", "maestro-reports"],
		["reports-worker", "maestro-reports"],
		["audit", "maestro-audit"],
	] as const) {
		const { env = [] } = loadContainer(
			loadPod(loadObject(ha, "Deployment", name)),
		);
		const from = env.find((variable) => variable.name === "MAESTRO_MONGO_URI")
			?.valueFrom?.secretKeyRef;
		assert.deepEqual(from, {
			name: "datastores",
			key: `mongodb-uri.${database}`,
		});
	}
});

test("no secret and no kubeconfig is sent to the engine as plain text", () => {
	const values = [
		plantedKubeconfig,
		...secretNames.map((name) => plantedSecrets[name]),
		...Object.values(loadObject(ha, "Secret", "datastores").stringData ?? {}),
	];
	for (const { shown, type, name } of [...ha.resources, ...small.resources])
		for (const value of values)
			assert.ok(!shown.includes(value), `${value} is in ${type} ${name}`);
});

test("the outputs hold no secret", () => {
	assert.doesNotMatch(JSON.stringify(ha.outputs), /planted/);
});

test("a changed secret restarts the processes that hold it and no others", async () => {
	const changed = await declare(
		givenInput("ha", {
			secrets: {
				...plantedSecrets,
				MAESTRO_WEBSOCKET_SECRET: createSecrets().MAESTRO_WEBSOCKET_SECRET,
			},
		}),
	);
	const template = (size: Declaration, name: string) =>
		loadObject(size, "Deployment", name).spec?.template;
	const restarted = processNames.filter(
		(name) =>
			JSON.stringify(template(ha, name)) !==
			JSON.stringify(template(changed, name)),
	);
	assert.deepEqual(restarted, holders.MAESTRO_WEBSOCKET_SECRET);
});
