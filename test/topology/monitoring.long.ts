// Monitoring as the API server has it: with the real schemas of the Prometheus operator's objects, and without them.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type KubernetesObject, kubectl } from "../support/kubectl.ts";
import {
	adminKubeconfig,
	listLive,
	namesOf,
	type Ordered,
	openStage,
	type Stage,
} from "./stage.ts";

interface PodMonitor extends KubernetesObject {
	readonly spec: {
		readonly selector: { readonly matchLabels: Record<string, string> };
		readonly podMetricsEndpoints: readonly { readonly port: string }[];
	};
}
interface Pod extends KubernetesObject {
	readonly spec: {
		readonly containers: readonly {
			readonly ports?: readonly {
				readonly name?: string;
				readonly containerPort: number;
			}[];
		}[];
	};
}

let stage: Stage;
let ordered: Ordered;
before(async () => {
	const tools = JSON.parse(
		readFileSync(join(process.env.TOOLCHAIN_DIR ?? "", "tools.json"), "utf8"),
	);
	for (const crd of ["podmonitors", "prometheusrules"])
		await kubectl(
			adminKubeconfig(),
			"apply",
			"--server-side",
			"-f",
			join(tools["judges/crds"], `monitoring.coreos.com_${crd}.yaml`),
		);
	stage = await openStage();
	await stage.addTarget({
		name: "watched",
		settings: { monitoring: { operator: true } },
	});
	ordered = await stage.order({ name: "watched", target: "watched" });
	assert.equal(
		ordered.operation.state,
		"succeeded",
		JSON.stringify(ordered.operation.error),
	);
});
after(() => stage?.close());

test("each PodMonitor selects pods that run and a port that they have", async () => {
	const { namespace } = ordered.environment;
	const monitors = await listLive<PodMonitor>(namespace, "podmonitors");
	assert.deepEqual(namesOf(monitors), ["mongodb", "rabbitmq", "websocket"]);
	const pods = await listLive<Pod>(namespace, "pods");
	for (const { metadata, spec } of monitors) {
		const selected = pods.filter((pod) =>
			Object.entries(spec.selector.matchLabels).every(
				([key, value]) => pod.metadata.labels?.[key] === value,
			),
		);
		assert.ok(selected.length > 0, metadata.name);
		for (const pod of selected) {
			const ports = pod.spec.containers.flatMap(({ ports: list = [] }) =>
				list.map(({ name }) => name),
			);
			for (const { port } of spec.podMetricsEndpoints)
				assert.ok(ports.includes(port), `${metadata.name} ${port}`);
		}
	}
});

test("the alerts are one rule group in the namespace", async () => {
	const [rule, ...others] = await listLive(
		ordered.environment.namespace,
		"prometheusrules",
	);
	assert.equal(rule?.metadata.name, "maestro");
	assert.deepEqual(others, []);
});

test("every pod with metrics says so in its annotations, at a port that it has", async () => {
	const pods = await listLive<Pod>(ordered.environment.namespace, "pods");
	const claiming = pods.filter(
		({ metadata }) => metadata.annotations?.["prometheus.io/scrape"] === "true",
	);
	assert.deepEqual(
		[
			...new Set(
				claiming.map(
					({ metadata }) => metadata.labels?.["app.kubernetes.io/name"],
				),
			),
		].sort(),
		["mongodb", "rabbitmq", "websocket"],
	);
	for (const { metadata, spec } of claiming) {
		const ports = spec.containers.flatMap(({ ports: list = [] }) =>
			list.map(({ containerPort }) => String(containerPort)),
		);
		assert.ok(
			ports.includes(metadata.annotations?.["prometheus.io/port"] ?? ""),
			metadata.name,
		);
	}
});

test("Grafana's sidecar finds a dashboard", async () => {
	const maps = await listLive(ordered.environment.namespace, "configmaps");
	assert.deepEqual(
		namesOf(
			maps.filter(({ metadata }) => metadata.labels?.grafana_dashboard === "1"),
		),
		["grafana-dashboard"],
	);
});

test("on a target without the operator there is neither monitor nor rule", async () => {
	const plain = await stage.order({ name: "plain" });
	assert.equal(
		plain.operation.state,
		"succeeded",
		JSON.stringify(plain.operation.error),
	);
	assert.deepEqual(
		await listLive(plain.environment.namespace, "podmonitors,prometheusrules"),
		[],
	);
});
