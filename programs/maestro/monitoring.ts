// What is told to a Prometheus: where metrics are, by annotations that any of them understands, or by the objects of its
// operator where the target has one; the alerts; and a dashboard for Grafana. Maestro's own processes have no metrics:
// theirs are the cluster's (kube-state-metrics).
import * as kubernetes from "@pulumi/kubernetes";
import type { BlueprintInput } from "../../src/domain/blueprint.ts";
import { queues } from "../../src/domain/parameters.ts";
import { describeDashboard, listAlerts, type Watched } from "./alerts.ts";
import { labelsOf, selectorOf } from "./conventions.ts";
import { mongodb, rabbitmq, type Stores } from "./datastores.ts";
import { decideRunning } from "./power.ts";

/** A port with metrics, of the pods of a part. */
export interface Metrics {
	readonly part: string;
	readonly port: number;
	/** Of the port in the pod. */
	readonly portName: string;
	readonly path: string;
}

const part = { name: "monitoring", component: "monitoring" };

/** Centrifugo answers on its only port. Browsers do not reach the path. */
const websocketMetrics = {
	part: "websocket",
	port: 8000,
	portName: "http",
	path: "/metrics",
};
export const rabbitmqMetrics = {
	part: rabbitmq.name,
	port: rabbitmq.metricsPort,
	portName: "metrics",
	path: "/metrics",
};
export const mongodbMetrics = {
	part: mongodb.name,
	port: mongodb.exporter.port,
	portName: "metrics",
	path: "/metrics",
};

export const listMetrics = (stores: Stores): readonly Metrics[] => [
	websocketMetrics,
	...(stores.broker?.kind === "own" ? [rabbitmqMetrics] : []),
	...(stores.mongodb.kind === "own" ? [mongodbMetrics] : []),
];

/** Annotations of a pod by which a Prometheus without an operator finds its metrics. */
export const annotateMetrics = ({ port, path }: Metrics) => ({
	"prometheus.io/scrape": "true",
	"prometheus.io/port": String(port),
	"prometheus.io/path": path,
});

/** The annotations of a process that has metrics of its own. */
export const annotateProcess = (name: string): Record<string, string> =>
	name === websocketMetrics.part ? annotateMetrics(websocketMetrics) : {};

export function createMonitoring(
	input: Pick<BlueprintInput, "namespace" | "parameters" | "power" | "target">,
	stores: Stores,
): void {
	const watched = describe(input, stores);
	createDashboard(watched);
	if (!input.target.settings.monitoring.operator) return;
	for (const metrics of listMetrics(stores)) createPodMonitor(metrics);
	createRules(watched);
}

function describe(
	input: Pick<BlueprintInput, "namespace" | "parameters" | "power">,
	{ mongodb: databases, broker }: Stores,
): Watched {
	const { namespace, parameters } = input;
	return {
		namespace,
		running: decideRunning(input),
		features: parameters.features,
		backups: parameters.backups.enabled,
		mongodbMembers: databases.kind === "own" ? databases.members : 0,
		queues:
			broker?.kind === "own"
				? queues.filter((queue) => parameters.features[queue])
				: [],
	};
}

function createDashboard(watched: Watched): void {
	const name = "grafana-dashboard";
	new kubernetes.core.v1.ConfigMap(name, {
		metadata: {
			name,
			// By this label Grafana's sidecar finds it.
			labels: { ...labelsOf(part), grafana_dashboard: "1" },
		},
		data: { "maestro.json": describeDashboard(watched) },
	});
}

function createPodMonitor({ part: target, portName, path }: Metrics): void {
	new kubernetes.apiextensions.CustomResource(`podmonitor-${target}`, {
		apiVersion: "monitoring.coreos.com/v1",
		kind: "PodMonitor",
		metadata: { name: target, labels: labelsOf(part) },
		spec: {
			selector: { matchLabels: selectorOf(target) },
			podMetricsEndpoints: [{ port: portName, path, interval: "30s" }],
		},
	});
}

function createRules(watched: Watched): void {
	new kubernetes.apiextensions.CustomResource("prometheusrule-maestro", {
		apiVersion: "monitoring.coreos.com/v1",
		kind: "PrometheusRule",
		metadata: { name: "maestro", labels: labelsOf(part) },
		spec: { groups: [{ name: "maestro", rules: listAlerts(watched) }] },
	});
}
