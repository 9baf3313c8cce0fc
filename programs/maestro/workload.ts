// One row of the table of processes → its Deployment, its Service when it listens, its disruption budget.
import * as kubernetes from "@pulumi/kubernetes";
import type { Endpoints } from "../../src/domain/environment.ts";
import type { ReleaseImages } from "../../src/domain/release.ts";
import type { Sizing } from "../../src/domain/sizing.ts";
import type { TargetSettings } from "../../src/domain/target.ts";
import { internalUrl } from "./addresses.ts";
import { labelsOf, labelVersion, selectorOf } from "./conventions.ts";
import type { Stores } from "./datastores.ts";
import { createWaits } from "./errands.ts";
import { createGate, createIndexConfiguration } from "./gates.ts";
import { annotateProcess } from "./monitoring.ts";
import { createPodSpec, runAs, spreadReplicas, writeToTmp } from "./pods.ts";
import { createProbes } from "./probes.ts";
import {
	fingerprint,
	listSecretValues,
	listSecretVariables,
	type SecretValues,
} from "./secrets.ts";
import type { Tailored } from "./tailor.ts";
import { listUploadVariables, type Uploads } from "./uploads.ts";

type Container = kubernetes.types.input.core.v1.Container;
type EnvVar = kubernetes.types.input.core.v1.EnvVar;

/** What all workloads share. */
export interface Surroundings {
	readonly sizing: Sizing;
	readonly images: ReleaseImages;
	readonly endpoints: Endpoints;
	readonly secrets: SecretValues;
	readonly stores: Stores;
	/** null: uploads stay where they arrive. */
	readonly uploads: Uploads | null;
	readonly podSecurity: TargetSettings["podSecurity"];
	/** Whether there are pods. */
	readonly isRunning: boolean;
}

export function createWorkload(
	process: Tailored,
	surroundings: Surroundings,
): void {
	createDeployment(process, surroundings);
	if (process.port !== null) createService(process, process.port);
	if (process.gate?.name === "index") createIndexConfiguration();
	if (process.disruptionBudget && process.replicas > 1)
		createDisruptionBudget(process.name, process.role);
}

/** Lets a node be drained as long as no second pod of the part is away. */
export function createDisruptionBudget(name: string, component: string): void {
	new kubernetes.policy.v1.PodDisruptionBudget(name, {
		metadata: { name, labels: labelsOf({ name, component }) },
		spec: {
			maxUnavailable: 1,
			selector: { matchLabels: selectorOf(name) },
			// A pod that does not work anyway must not keep a node from being drained.
			unhealthyPodEvictionPolicy: "AlwaysAllow",
		},
	});
}

function createDeployment(
	process: Tailored,
	{ stores, isRunning, ...surroundings }: Surroundings,
): void {
	const { sizing, images, secrets } = surroundings;
	const { replicas } = process;
	const part = { name: process.name, component: process.role };
	const labels = labelsOf(part);
	const { containers = [], volumes = [] } =
		process.gate === null || process.port === null
			? {}
			: createGate(process.gate, process.port, images);
	const waits = createWaits(process.waitsFor, {
		stores,
		database: process.database,
		serverImage: images.server,
	});
	new kubernetes.apps.v1.Deployment(process.name, {
		metadata: {
			name: process.name,
			// Pods do not carry it: they would differ from those of the same code under another name.
			labels: labelsOf({ ...part, ...labelVersion(images[process.name]) }),
		},
		spec: {
			replicas: isRunning ? replicas : 0,
			revisionHistoryLimit: 2,
			selector: { matchLabels: selectorOf(process.name) },
			strategy: process.replicated
				? {
						type: "RollingUpdate",
						rollingUpdate: { maxSurge: 1, maxUnavailable: 0 },
					}
				: // Two of them for a moment is what must not be: a roll-out stops the old one first.
					{ type: "Recreate" },
			template: {
				metadata: {
					labels,
					annotations: {
						...annotateProcess(process.name),
						"impresario.dev/secrets": fingerprint(
							listSecretValues(process.secrets, process.database, secrets),
						),
						// The key's id is no secret, and changes with the key.
						...(surroundings.uploads !== null && process.keepsFiles
							? {
									"impresario.dev/uploads-key":
										surroundings.uploads.accessKeyId,
								}
							: {}),
					},
				},
				spec: createPodSpec({
					terminationGracePeriodSeconds: process.graceSeconds,
					...(listensLow(process) && surroundings.podSecurity === "restricted"
						? { securityContext: { sysctls: [everyPort] } }
						: {}),
					topologySpreadConstraints: spreadReplicas(
						process.name,
						replicas,
						sizing,
					),
					containers: [createContainer(process, surroundings), ...containers],
					...waits,
					volumes: [
						...waits.volumes,
						...volumes,
						...(writesToTmpOnly(process) ? writeToTmp.volumes : []),
					],
				}),
			},
		},
	});
}

function createContainer(
	process: Tailored,
	surroundings: Omit<Surroundings, "stores" | "isRunning">,
): Container {
	const { sizing, images } = surroundings;
	return {
		name: process.name,
		image: images[process.name],
		...(process.command === undefined
			? {}
			: {
					command: [
						...process.command,
						`--concurrency=${sizing.celeryConcurrency}`,
					],
				}),
		env: listVariables(process, surroundings),
		...(process.port === null
			? {}
			: {
					ports: [{ name: "http", containerPort: process.port }],
					// Until the Service's last reader knows that this pod is going, requests still arrive.
					lifecycle: { preStop: { exec: { command: ["sleep", "5"] } } },
				}),
		...createProbes(process),
		resources: process.resources,
		...(writesToTmpOnly(process)
			? { volumeMounts: writeToTmp.volumeMounts }
			: {}),
		securityContext: {
			...runAs(process.runsAs, surroundings.podSecurity),
			...(writesToTmpOnly(process) ? writeToTmp.securityContext : {}),
		},
	};
}

// Whoever is not root may listen below 1024 only then.
const everyPort = { name: "net.ipv4.ip_unprivileged_port_start", value: "0" };
const listensLow = ({ port }: Tailored) => port !== null && port < 1024;

/** The images that write to their root filesystem are those that start as root. */
const writesToTmpOnly = ({ runsAs }: Tailored) => runsAs === "app";

function listVariables(
	process: Tailored,
	{ endpoints, uploads }: Pick<Surroundings, "endpoints" | "uploads">,
): EnvVar[] {
	const ofUploads =
		uploads === null ? [] : listUploadVariables(process.name, uploads);
	const isNamed = (name: string) =>
		ofUploads.some((variable) => variable.name === name);
	const plain = {
		...process.variables,
		...process.publicUrls(endpoints),
		...Object.fromEntries(
			Object.entries(process.peers).map(([name, peer]) => [
				name,
				internalUrl(peer),
			]),
		),
		...(process.database === null
			? {}
			: { MAESTRO_MONGO_DATABASE: process.database }),
	};
	return [
		...Object.entries(plain).flatMap(([name, value]) =>
			value === undefined || isNamed(name) ? [] : [{ name, value }],
		),
		...ofUploads,
		...listSecretVariables(process.secrets, process.database),
	];
}

function createService(process: Tailored, port: number): void {
	const { gate } = process;
	new kubernetes.core.v1.Service(process.name, {
		metadata: {
			name: process.name,
			labels: labelsOf({ name: process.name, component: process.role }),
		},
		spec: {
			type: "ClusterIP",
			selector: selectorOf(process.name),
			ports: [
				{ name: "http", port, targetPort: "http" },
				...(gate === null
					? []
					: [{ name: gate.name, port: gate.port, targetPort: gate.name }]),
			],
		},
	});
}
