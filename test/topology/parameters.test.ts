// Every feature switch and external store, ordered through the door and looked for in the cluster.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { featureProcesses, features } from "../../src/domain/parameters.ts";
import { processNames } from "../../src/domain/release.ts";
import type { KubernetesObject } from "../support/kubectl.ts";
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
	});
});

const told = {
	discovery: ["server MAESTRO_DISCOVERY_DISABLED=true"],
	reports: ["server MAESTRO_REPORT_DISABLED=true"],
	analytics: ["server MAESTRO_ANALYTICS_DISABLED=true"],
	audit: ["server MAESTRO_AUDIT_DISABLED=true"],
	scheduler: [],
};

for (const feature of features) {
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
		const { versions } = ordered.environment;
		assert.ok(versions.server !== undefined);
		for (const name of absent) assert.equal(versions[name], undefined);
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
});

test("with both stores elsewhere there is neither a StatefulSet nor a claim of theirs, nor a Job that forms a set", async () => {
	const ordered = await comeUp("elsewhere", {
		external: {
			mongodb: "mongodb://u:planted-uri@db.example.test/?tls=true",
			rabbitmq: "amqps://u:planted-url@mq.example.test",
		},
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
