// Every feature switch and external store, ordered through the door and looked for in the cluster.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Check } from "../../src/domain/blueprint.ts";
import { featureProcesses, features } from "../../src/domain/parameters.ts";
import { processNames } from "../../src/domain/release.ts";
import type { KubernetesObject } from "../support/kubectl.ts";
import { isThorough, sample } from "../support/sample.ts";
import {
	listLive,
	namesOf,
	type Ordered,
	openStage,
	type Stage,
} from "./stage.ts";

let stage: Stage;
before(async () => {
	stage = await openStage();
});
after(() => stage?.close());

interface Deployment extends KubernetesObject {
	readonly spec: {
		readonly template: {
			readonly spec: {
				readonly containers: readonly {
					readonly name: string;
					readonly env?: readonly {
						readonly name: string;
						readonly value?: string;
					}[];
				}[];
			};
		};
	};
}

interface Job extends KubernetesObject {
	readonly spec: Deployment["spec"];
}

/** What the verification of an environment asked, as its Job has it. */
async function listAsked({ environment }: Ordered): Promise<Check[]> {
	const jobs = await listLive<Job>(environment.namespace, "jobs");
	return jobs
		.filter(
			({ metadata }) => metadata.labels?.["impresario.dev/job"] === "verify",
		)
		.flatMap(({ spec }) => spec.template.spec.containers)
		.flatMap(({ env = [] }) => env)
		.filter(({ name }) => name === "CHECKS")
		.flatMap(({ value }) => JSON.parse(value ?? "[]") as Check[]);
}

const findAsked = async (ordered: Ordered, kind: Check["kind"]) =>
	(await listAsked(ordered)).filter((check) => check.kind === kind);

async function comeUp(name: string, parameters: unknown): Promise<Ordered> {
	const ordered = await stage.order({ name, parameters });
	assert.equal(
		ordered.operation.state,
		"succeeded",
		JSON.stringify(ordered.operation.error),
	);
	return ordered;
}

const listAll = ({ environment }: Ordered) =>
	listLive(
		environment.namespace,
		"deployments,statefulsets,services,ingresses,jobs,pods,persistentvolumeclaims",
	);

async function listSwitches({ environment }: Ordered): Promise<string[]> {
	const deployments = await listLive<Deployment>(
		environment.namespace,
		"deployments",
	);
	return deployments
		.flatMap(({ metadata, spec }) =>
			spec.template.spec.containers.flatMap(({ env = [] }) =>
				env
					.filter(({ name }) => name.endsWith("_DISABLED"))
					.map(({ name, value }) => `${metadata.name} ${name}=${value}`),
			),
		)
		.sort();
}

describe("small, with nothing switched off", () => {
	test("has one of each process and store, and answers with every version", async () => {
		const ordered = await comeUp("plain", {});
		const live = await listAll(ordered);
		const ofKind = (kind: string) =>
			namesOf(live.filter((object) => object.kind === kind));
		assert.deepEqual(ofKind("Deployment"), [...processNames].sort());
		assert.deepEqual(ofKind("StatefulSet"), ["mongodb", "rabbitmq"]);
		for (const { kind, metadata, spec } of live)
			if (kind === "Deployment" || kind === "StatefulSet")
				assert.equal((spec as { replicas: number }).replicas, 1, metadata.name);
		assert.equal(Object.keys(ordered.environment.versions).length, 7);
		assert.deepEqual(await listSwitches(ordered), []);
		for (const kind of ["page", "replicaSet", "queues"] as const)
			assert.equal((await findAsked(ordered, kind)).length, 1, kind);
	});
});

const told = {
	discovery: ["server MAESTRO_DISCOVERY_DISABLED=true"],
	reports: ["server MAESTRO_REPORT_DISABLED=true"],
	analytics: ["server MAESTRO_ANALYTICS_DISABLED=true"],
	audit: ["server MAESTRO_AUDIT_DISABLED=true"],
	scheduler: [],
};

for (const feature of sample(features, () => false)) {
	test(`without ${feature} nothing of it is in the cluster, the server is told, and the rest is verified`, async () => {
		const ordered = await comeUp(`no-${feature}`, {
			features: { [feature]: false },
		});
		const absent: readonly string[] = featureProcesses[feature];
		const live = await listAll(ordered);
		for (const { kind, metadata } of live) {
			const part = metadata.labels?.["app.kubernetes.io/name"] ?? "";
			assert.ok(!absent.includes(part), `${kind} ${metadata.name}`);
		}
		assert.deepEqual(await listSwitches(ordered), told[feature]);
		for (const address of absent.map((name) => `http://${name}:`))
			assert.ok(!JSON.stringify(live).includes(address), address);
		const { versions } = ordered.environment;
		assert.ok(versions.server !== undefined);
		for (const name of absent) assert.equal(versions[name], undefined);
		const [asked] = await findAsked(ordered, "queues");
		assert.ok(asked?.kind === "queues");
		assert.deepEqual(
			asked.queues,
			["discovery", "reports", "scheduler", "analytics"].filter(
				(queue) => queue !== feature,
			),
		);
	});
}

test("with nothing but the inventory there is no broker either", async () => {
	const ordered = await comeUp("inventory", {
		features: Object.fromEntries(features.map((name) => [name, false])),
	});
	const live = await listAll(ordered);
	assert.deepEqual(namesOf(live.filter(({ kind }) => kind === "StatefulSet")), [
		"mongodb",
	]);
	assert.deepEqual(namesOf(live.filter(({ kind }) => kind === "Deployment")), [
		"client",
		"data",
		"server",
		"websocket",
	]);
	assert.deepEqual(await findAsked(ordered, "queues"), []);
});

if (isThorough)
	test("without analytics there are three endpoints, in the cluster and for the caller", async () => {
		const ordered = await comeUp("three", { features: { analytics: false } });
		const live = await listAll(ordered);
		assert.deepEqual(namesOf(live.filter(({ kind }) => kind === "Ingress")), [
			"client",
			"server",
			"websocket",
		]);
		assert.deepEqual(
			Object.keys(ordered.environment.endpoints as object).sort(),
			["client", "server", "websocket"],
		);
	});

const elsewhere = {
	mongodb: "mongodb://u:planted-uri@db.example.test/?tls=true",
	rabbitmq: "amqps://u:planted-url@mq.example.test",
};
const stores = [
	{
		store: "mongodb",
		other: "rabbitmq",
		keys: [
			"mongodb-uri.maestro-audit",
			"mongodb-uri.maestro-client",
			"mongodb-uri.maestro-reports",
		],
		asked: "replicaSet",
	},
	{
		store: "rabbitmq",
		other: "mongodb",
		keys: ["CELERY_BROKER_URL"],
		asked: "queues",
	},
] as const;
for (const { store, other, keys, asked } of sample(stores, () => false)) {
	test(`with ${store} elsewhere only ${other} is in the cluster, and the processes get the URI as a secret`, async () => {
		const ordered = await comeUp(`far-${store}`, {
			external: { [store]: elsewhere[store] },
		});
		const live = await listAll(ordered);
		assert.deepEqual(
			namesOf(live.filter(({ kind }) => kind === "StatefulSet")),
			[other],
		);
		const [secret] = await listLive<
			KubernetesObject & { readonly data: Record<string, string> }
		>(ordered.environment.namespace, "secrets/datastores");
		const holding = Object.entries(secret?.data ?? {})
			.filter(
				([, value]) =>
					Buffer.from(value, "base64").toString() === elsewhere[store],
			)
			.map(([key]) => key);
		assert.deepEqual(holding.sort(), keys);
		assert.deepEqual(await findAsked(ordered, asked), []);
		assert.equal((await listAsked(ordered)).length, 7 + 2);
		assert.doesNotMatch(JSON.stringify(live), /planted/);
	});
}

if (isThorough)
	test("with both stores elsewhere there is neither a StatefulSet nor a claim of theirs, nor a Job that forms a set", async () => {
		const ordered = await comeUp("elsewhere", {
			external: elsewhere,
		});
		const live = await listAll(ordered);
		const stores = live.filter(({ metadata }) =>
			/^(data-)?(mongodb|rabbitmq)/.test(metadata.name),
		);
		assert.deepEqual(namesOf(stores), []);
		assert.deepEqual(
			namesOf(live.filter(({ kind }) => kind === "Deployment")),
			[...processNames].sort(),
		);
		assert.doesNotMatch(JSON.stringify(live), /planted/);
		assert.doesNotMatch(stage.output(), /planted/);
		assert.doesNotMatch(JSON.stringify(ordered), /planted/);
	});

test("replicas, resources, storage, looks and backups are those of the order", async () => {
	const ordered = await comeUp("tailored", {
		replicas: { data: 3, "discovery-worker": 2 },
		resources: { audit: { cpu: "250m", memory: "700Mi" } },
		storage: { mongodb: "7Gi" },
		theme: "gold",
		logo: "https://example.test/logo.png",
		backups: { enabled: false },
	});
	const live = await listAll(ordered);
	const find = (kind: string, name: string) => {
		const found = live.find(
			(one) => one.kind === kind && one.metadata.name === name,
		);
		assert.ok(found, `${kind} ${name}`);
		return found.spec as Tailored;
	};
	assert.equal(find("Deployment", "data").replicas, 3);
	assert.equal(find("Deployment", "discovery-worker").replicas, 2);
	assert.equal(find("Deployment", "reports-worker").replicas, 1);
	const [audit] = find("Deployment", "audit").template.spec.containers;
	assert.deepEqual(audit?.resources.limits, { cpu: "250m", memory: "700Mi" });
	assert.equal(
		find("PersistentVolumeClaim", "data-mongodb-0").resources.requests.storage,
		"7Gi",
	);
	const [client] = find("Deployment", "client").template.spec.containers;
	const variables = new Map(
		client?.env.map(({ name, value }) => [name, value]),
	);
	assert.equal(variables.get("THEME"), "gold");
	assert.equal(variables.get("LOGO"), "https://example.test/logo.png");
	const [cronJob] = await listLive<
		KubernetesObject & { readonly spec: { readonly suspend: boolean } }
	>(ordered.environment.namespace, "cronjobs/backup");
	assert.equal(cronJob?.spec.suspend, true);
});

interface Tailored {
	readonly replicas: number;
	readonly resources: { readonly requests: { readonly storage: string } };
	readonly template: {
		readonly spec: {
			readonly containers: readonly {
				readonly resources: { readonly limits: object };
				readonly env: readonly {
					readonly name: string;
					readonly value?: string;
				}[];
			}[];
		};
	};
}
