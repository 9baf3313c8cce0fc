// The call graph of Maestro's fact sheet against the policies that the API server holds: who must talk to whom can,
// and nobody else. The graph is written down here once more, and not taken from the program.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { ProcessName } from "../../src/domain/release.ts";
import {
	type End,
	mayConnect,
	type NetworkPolicy,
} from "../../src/sandbox/policies.ts";
import { type KubernetesObject, kubectlGet } from "../support/kubectl.ts";
import {
	adminKubeconfig,
	listLive,
	type Ordered,
	openStage,
	type Stage,
} from "./stage.ts";

type Policy = NetworkPolicy & KubernetesObject;

const ports: Partial<Record<ProcessName, number>> = {
	client: 80,
	server: 8888,
	discovery: 5000,
	reports: 5005,
	analytics: 5020,
	"analytics-front": 9999,
	data: 5010,
	audit: 10900,
	websocket: 8000,
};
const mongodb = ["mongodb:27017"];
const broker = ["rabbitmq:5672"];

/** Section 4 of the fact sheet, and the stores. */
const graph: Record<string, readonly string[]> = {
	client: [],
	server: [
		"discovery:5000",
		"reports:5005",
		"analytics:5020",
		"audit:10900",
		...mongodb,
	],
	discovery: ["data:5010", ...broker],
	"discovery-worker": [
		"data:5010",
		"audit:10900",
		"websocket:8000",
		"server:8888",
		...broker,
	],
	reports: [...mongodb, ...broker],
	"reports-worker": [
		"data:5010",
		"reports:5005",
		"audit:10900",
		"websocket:8000",
		...mongodb,
		...broker,
	],
	scheduler: ["data:5010", ...mongodb, ...broker],
	"scheduler-worker": [
		"data:5010",
		"discovery:5000",
		"reports:5005",
		"analytics:5020",
		...broker,
	],
	analytics: broker,
	"analytics-worker": [
		"data:5010",
		"analytics-front:9999",
		"websocket:8000",
		...broker,
	],
	"analytics-front": mongodb,
	data: mongodb,
	audit: ["data:5010", ...mongodb],
	websocket: [],
	mongodb,
	rabbitmq: ["rabbitmq:5672", "rabbitmq:4369", "rabbitmq:25672"],
	migrate: mongodb,
	"mongodb-init": mongodb,
	backup: mongodb,
	restore: mongodb,
	verify: [
		...Object.entries(ports).map(([name, port]) => `${name}:${port}`),
		...mongodb,
		"rabbitmq:15672",
	],
};
const targets = [
	...Object.entries(ports).map(([name, port]) => `${name}:${port}`),
	"mongodb:27017",
	"rabbitmq:5672",
	"rabbitmq:15672",
	"rabbitmq:4369",
	"rabbitmq:25672",
];
/** Parts that take part in the Jobs of the service are known by another label. */
const labelsOf = (part: string) =>
	part === "verify"
		? { "impresario.dev/job": "verify" }
		: { "app.kubernetes.io/name": part };

let stage: Stage;
let ordered: Ordered;
let policies: readonly Policy[];
before(async () => {
	stage = await openStage();
	ordered = await stage.order({ name: "net", size: "small" });
	assert.equal(
		ordered.operation.state,
		"succeeded",
		JSON.stringify(ordered.operation.error),
	);
	policies = await listLive<Policy>(
		ordered.environment.namespace,
		"networkpolicies",
	);
});
after(() => stage?.close());

const inside = (part: string): End => ({
	labels: labelsOf(part),
	namespaceLabels: {
		"kubernetes.io/metadata.name": ordered.environment.namespace,
	},
	isInside: true,
});
const outside = (namespace: string): End => ({
	labels: {},
	namespaceLabels: { "kubernetes.io/metadata.name": namespace },
	isInside: false,
});
const reach = (from: End, target: string) => {
	const [part = "", port] = target.split(":");
	return mayConnect(from, { ...inside(part), port: Number(port) }, policies);
};

for (const [from, callees] of Object.entries(graph)) {
	test(`${from} reaches ${callees.join(", ") || "nobody"}, and nothing else`, () => {
		const reached = targets.filter((target) => reach(inside(from), target));
		assert.deepEqual(reached.sort(), [...new Set(callees)].sort());
	});
}

test("every pod that runs is one of these parts", async () => {
	const pods = await listLive(ordered.environment.namespace, "pods");
	const strangers = pods
		.map(({ metadata }) => metadata.labels ?? {})
		.filter(
			(labels) =>
				!Object.keys(graph).some((part) =>
					Object.entries(labelsOf(part)).every(
						([key, value]) => labels[key] === value,
					),
				),
		);
	assert.deepEqual(strangers, []);
});

test("whoever is no part of Maestro reaches nobody", () => {
	const stranger = { ...inside("stranger") };
	for (const target of targets) {
		assert.equal(reach(stranger, target), false, target);
		assert.equal(reach(outside("default"), target), false, target);
	}
});

test("the Ingress controller reaches the four public processes, and no other", () => {
	const reached = targets.filter((target) =>
		reach(outside("ingress-nginx"), target),
	);
	assert.deepEqual(reached.sort(), [
		"analytics-front:9999",
		"client:80",
		"server:8888",
		"websocket:8000",
	]);
});

test("everybody may ask for names", () => {
	for (const part of Object.keys(graph))
		assert.ok(
			mayConnect(
				inside(part),
				{ ...outside("kube-system"), port: 53 },
				policies,
			),
			part,
		);
});

interface Egress {
	readonly to?: readonly {
		readonly ipBlock?: { readonly cidr: string; readonly except?: string[] };
	}[];
	readonly ports?: readonly { readonly port: number }[];
}

/** Part → the ports on which it may leave the cluster; "any" without a list. */
function listExits(from: readonly Policy[]): Record<string, unknown> {
	return Object.fromEntries(
		from.flatMap(({ metadata, spec }) => {
			const ways = ((spec.egress ?? []) as readonly Egress[]).filter(({ to }) =>
				to?.some(({ ipBlock }) => ipBlock?.cidr === "0.0.0.0/0"),
			);
			return ways.map(({ ports: list }) => [
				metadata.name,
				list?.map(({ port }) => port) ?? "any",
			]);
		}),
	);
}

test("only the discovery worker leaves the cluster where there is neither mail nor a bucket", () => {
	assert.deepEqual(listExits(policies), { "discovery-worker": "any" });
});

test("nobody who leaves the cluster reaches the metadata of the node", () => {
	const blocks = policies
		.flatMap(({ spec }) => (spec.egress ?? []) as readonly Egress[])
		.flatMap(({ to = [] }) => to.map(({ ipBlock }) => ipBlock))
		.filter((block) => block?.cidr === "0.0.0.0/0");
	assert.ok(blocks.length > 0);
	for (const block of blocks)
		assert.deepEqual(block?.except, ["169.254.0.0/16"]);
});

test("mail and external stores open just their ports, to those who use them", async () => {
	const { environment, operation } = await stage.order({
		name: "exits",
		parameters: {
			smtp: { host: "smtp.example.test", sender: "m@example.test" },
			external: {
				mongodb: "mongodb://a.example.test:27018,b.example.test",
				rabbitmq: "amqps://mq.example.test",
			},
		},
	});
	assert.equal(operation.state, "succeeded", JSON.stringify(operation.error));
	const live = await listLive<Policy>(environment.namespace, "networkpolicies");
	const { "discovery-worker": any, ...exits } = listExits(live);
	assert.equal(any, "any");
	assert.deepEqual(exits, {
		server: [587, 27018, 27017],
		discovery: [5671],
		reports: [27018, 27017, 5671],
		"reports-worker": [27018, 27017, 5671],
		scheduler: [27018, 27017, 5671],
		"scheduler-worker": [5671],
		analytics: [5671],
		"analytics-worker": [5671],
		"analytics-front": [27018, 27017],
		data: [27018, 27017],
		audit: [27018, 27017],
		migrate: [27018, 27017],
		backup: [27018, 27017],
		restore: [27018, 27017],
	});
});

test("the policies are of this namespace alone", async () => {
	const others = await kubectlGet(
		adminKubeconfig(),
		"networkpolicies",
		"-n",
		"default",
	);
	assert.deepEqual(others, []);
});
