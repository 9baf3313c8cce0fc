// RabbitMQ: one node in `small`, a cluster of three with mirrored queues in `ha`.
//
// The nodes' names are known beforehand, so they stand in the configuration: discovery through the Kubernetes
// API would need a service account's token in the pods.
import * as kubernetes from "@pulumi/kubernetes";
import {
	errandResources,
	type Sizing,
	sizeMember,
} from "../../src/domain/sizing.ts";
import { labelsOf, selectorOf } from "./conventions.ts";
import { listRabbitmqNodes, rabbitmq } from "./datastores.ts";
import {
	createClaims,
	createClaimTemplate,
	keepTemplate,
	type Members,
	retainClaims,
	separateMembers,
} from "./members.ts";
import { annotateMetrics, rabbitmqMetrics } from "./monitoring.ts";
import { createPodSpec, runAsUser } from "./pods.ts";
import type { Probes } from "./probes.ts";
import {
	createSecretVariable,
	createSecretVolume,
	fingerprint,
} from "./secrets.ts";
import { createDisruptionBudget } from "./workload.ts";

type Container = kubernetes.types.input.core.v1.Container;

const part = {
	name: rabbitmq.name,
	component: "broker",
	version: rabbitmq.version,
};
const dataFolder = "/var/lib/rabbitmq";
const secretFolder = "/etc/impresario/rabbitmq";

export function createRabbitmq(sizing: Sizing, members: Members): void {
	createServices();
	new kubernetes.core.v1.ConfigMap(part.name, {
		metadata: { name: part.name, labels: labelsOf(part) },
		data: {
			"rabbitmq.conf": configure(sizing.rabbitmq),
			enabled_plugins: enabledPlugins,
		},
	});
	createNodes(sizing, members);
	if (sizing.rabbitmq.members > 1)
		createDisruptionBudget(part.name, part.component);
}

/** In Erlang's terms. The management's API tells the verification who works on the queues. */
const enabledPlugins = "[rabbitmq_management,rabbitmq_prometheus].\n";

/** The text of rabbitmq.conf. */
export function configure(size: Sizing["rabbitmq"]): string {
	const lines = [
		"cluster_name = maestro",
		// Otherwise a queue without a consumer is lost in the sum.
		"prometheus.return_per_object_metrics = true",
		// Of the container's limit; which limit the node sees depends on the cgroups' version.
		`vm_memory_high_watermark.absolute = ${Math.floor(size.memoryMiB * 0.6)}MiB`,
	];
	if (size.members > 1) lines.push(...configureCluster(size.members));
	return `${lines.join("\n")}\n`;
}

function configureCluster(members: number): readonly string[] {
	return [
		"cluster_formation.peer_discovery_backend = classic_config",
		...listRabbitmqNodes(members).map(
			(node, index) =>
				`cluster_formation.classic_config.nodes.${index + 1} = ${node}`,
		),
		// The side with fewer nodes stops, so that a task is not taken twice.
		"cluster_partition_handling = pause_minority",
		// Celery 4.4 declares classic queues, which live on one node unless they are mirrored.
		"default_policies.operator.mirrored.queue_pattern = ^(discovery|reports|scheduler|analytics)$",
		"default_policies.operator.mirrored.vhost_pattern = .*",
		"default_policies.operator.mirrored.classic_queues.ha_mode = exactly",
		"default_policies.operator.mirrored.classic_queues.ha_params = 2",
		"default_policies.operator.mirrored.classic_queues.ha_sync_mode = automatic",
	];
}

function createServices(): void {
	const metadata = { labels: labelsOf(part) };
	new kubernetes.core.v1.Service(part.name, {
		metadata: { ...metadata, name: part.name },
		spec: {
			type: "ClusterIP",
			selector: selectorOf(part.name),
			ports: [
				{ name: "amqp", port: rabbitmq.port, targetPort: "amqp" },
				{
					name: "management",
					port: rabbitmq.managementPort,
					targetPort: "management",
				},
			],
		},
	});
	new kubernetes.core.v1.Service(rabbitmq.nodesName, {
		metadata: { ...metadata, name: rabbitmq.nodesName },
		spec: {
			clusterIP: "None",
			publishNotReadyAddresses: true,
			selector: selectorOf(part.name),
			ports: [
				{ name: "epmd", port: 4369 },
				{ name: "distribution", port: 25672 },
			],
		},
	});
}

function createNodes(sizing: Sizing, { storage, isRunning }: Members): void {
	const { members } = sizing.rabbitmq;
	const dependsOn = createClaims(part, members, storage);
	const args: kubernetes.apps.v1.StatefulSetArgs = {
		metadata: { name: part.name, labels: labelsOf(part) },
		spec: {
			serviceName: rabbitmq.nodesName,
			replicas: isRunning ? members : 0,
			// After a full stop a node waits for the one that stopped last, whichever that was.
			podManagementPolicy: "Parallel",
			revisionHistoryLimit: 2,
			selector: { matchLabels: selectorOf(part.name) },
			updateStrategy: { type: "RollingUpdate" },
			persistentVolumeClaimRetentionPolicy: retainClaims,
			template: {
				metadata: {
					labels: labelsOf({ name: part.name, component: part.component }),
					annotations: {
						...annotateMetrics(rabbitmqMetrics),
						"impresario.dev/configuration": fingerprint([
							configure(sizing.rabbitmq),
							enabledPlugins,
						]),
					},
				},
				spec: createPodSpec({
					terminationGracePeriodSeconds: 120,
					securityContext: { fsGroup: rabbitmq.uid },
					...separateMembers(part.name, sizing),
					initContainers: [createPreparation()],
					containers: [createNode(sizing.rabbitmq)],
					volumes: [
						createSecretVolume("secrets", ["RABBITMQ_ERLANG_COOKIE"]),
						{ name: "configuration", configMap: { name: part.name } },
					],
				}),
			},
			volumeClaimTemplates: [createClaimTemplate(storage)],
		},
	};
	new kubernetes.apps.v1.StatefulSet(part.name, args, {
		dependsOn: [...dependsOn],
		...keepTemplate,
	});
}

/**
 * Before a node starts: its cookie as a file that only it can read, its own name known to DNS, and, when it is
 * new, node 0 up. New nodes that start at the same moment may each take themselves for the first one.
 */
const preparation = `set -eu
install -m 0600 ${secretFolder}/RABBITMQ_ERLANG_COOKIE ${dataFolder}/.erlang.cookie
until getent hosts "$HOSTNAME.${rabbitmq.nodesName}" >/dev/null; do sleep 1; done
if [ "$HOSTNAME" != ${rabbitmq.name}-0 ] && [ ! -e ${dataFolder}/mnesia ]; then
  until timeout 5 bash -c "exec 3<>/dev/tcp/${rabbitmq.name}-0.${rabbitmq.nodesName}/${rabbitmq.port}"; do sleep 2; done
fi`;

function createPreparation(): Container {
	return {
		name: "prepare",
		image: rabbitmq.image,
		command: ["bash", "-c", preparation],
		volumeMounts: [
			{ name: "data", mountPath: dataFolder },
			{ name: "secrets", mountPath: secretFolder, readOnly: true },
		],
		securityContext: runAsUser(rabbitmq.uid),
		resources: errandResources,
	};
}

function createNode(size: Sizing["rabbitmq"]): Container {
	return {
		name: part.name,
		image: rabbitmq.image,
		env: [
			{
				name: "POD_NAME",
				valueFrom: { fieldRef: { fieldPath: "metadata.name" } },
			},
			{ name: "RABBITMQ_USE_LONGNAME", value: "true" },
			{
				name: "RABBITMQ_NODENAME",
				value: `rabbit@$(POD_NAME).${rabbitmq.nodesName}`,
			},
			{ name: "RABBITMQ_DEFAULT_USER", value: rabbitmq.user },
			createSecretVariable("RABBITMQ_DEFAULT_PASS", {
				secret: "datastores",
				key: "RABBITMQ_PASSWORD",
			}),
		],
		ports: [
			{ name: "amqp", containerPort: rabbitmq.port },
			{ name: "management", containerPort: rabbitmq.managementPort },
			{ name: "metrics", containerPort: rabbitmq.metricsPort },
		],
		volumeMounts: [
			{ name: "data", mountPath: dataFolder },
			{
				name: "configuration",
				mountPath: "/etc/rabbitmq/conf.d/30-impresario.conf",
				subPath: "rabbitmq.conf",
				readOnly: true,
			},
			{
				name: "configuration",
				mountPath: "/etc/rabbitmq/enabled_plugins",
				subPath: "enabled_plugins",
				readOnly: true,
			},
		],
		...createProbes(),
		securityContext: runAsUser(rabbitmq.uid),
		resources: sizeMember(size.memoryMiB),
	};
}

function createProbes(): Probes {
	return {
		startupProbe: {
			tcpSocket: { port: "amqp" },
			periodSeconds: 3,
			failureThreshold: 200,
		},
		// A node in a minority closes its listeners and gets no more clients.
		readinessProbe: { tcpSocket: { port: "amqp" }, periodSeconds: 5 },
		livenessProbe: {
			exec: { command: ["rabbitmq-diagnostics", "-q", "ping"] },
			periodSeconds: 60,
			timeoutSeconds: 20,
			failureThreshold: 3,
		},
	};
}
