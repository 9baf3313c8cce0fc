// MongoDB: a replica set in every size, of one member in `small`, with authentication between all.
import * as kubernetes from "@pulumi/kubernetes";
import {
	exporterResources,
	type Sizing,
	sizeMember,
} from "../../src/domain/sizing.ts";
import { labelsOf, selectorOf } from "./conventions.ts";
import { type MongodbPlace, mongodb } from "./datastores.ts";
import { createMongodbErrand, createRootVolume } from "./errands.ts";
import {
	createClaims,
	createClaimTemplate,
	keepTemplate,
	type Members,
	retainClaims,
	separateMembers,
} from "./members.ts";
import {
	completeReplicaSet,
	formReplicaSet,
	isUsable,
	passwordKey,
	secretFolder,
	startMember,
} from "./mongodb-scripts.ts";
import { annotateMetrics, mongodbMetrics } from "./monitoring.ts";
import { createPodSpec, runAsUser, writeToTmp } from "./pods.ts";
import type { Probes } from "./probes.ts";
import {
	createSecretVariable,
	createSecretVolume,
	fingerprint,
} from "./secrets.ts";
import { createDisruptionBudget } from "./workload.ts";

type Container = kubernetes.types.input.core.v1.Container;

const part = {
	name: mongodb.name,
	component: "database",
	version: mongodb.version,
};

/** Declares the members, their names, and the Job that completes the set. */
export function createMongodb(
	place: MongodbPlace & { readonly kind: "own" },
	sizing: Sizing,
	members: Members,
): void {
	createHeadlessService();
	createMembers(sizing, members);
	if (sizing.mongodb.members > 1)
		createDisruptionBudget(part.name, part.component);
	createCompletion(place);
}

function createHeadlessService(): void {
	new kubernetes.core.v1.Service(part.name, {
		metadata: { name: part.name, labels: labelsOf(part) },
		spec: {
			clusterIP: "None",
			// Members find each other before any of them is ready: they become ready by finding each other.
			publishNotReadyAddresses: true,
			selector: selectorOf(part.name),
			ports: [{ name: "mongodb", port: mongodb.port, targetPort: "mongodb" }],
		},
	});
}

function createMembers(
	sizing: Sizing,
	{ storage, isRunning, generation }: Members,
): void {
	const { members } = sizing.mongodb;
	const dependsOn = createClaims(part, members, storage);
	const args: kubernetes.apps.v1.StatefulSetArgs = {
		metadata: { name: part.name, labels: labelsOf(part) },
		spec: {
			serviceName: part.name,
			replicas: isRunning ? members : 0,
			podManagementPolicy: "Parallel",
			revisionHistoryLimit: 2,
			selector: { matchLabels: selectorOf(part.name) },
			updateStrategy: { type: "RollingUpdate" },
			persistentVolumeClaimRetentionPolicy: retainClaims,
			template: {
				metadata: {
					labels: labelsOf({ name: part.name, component: part.component }),
					annotations: {
						...annotateMetrics(mongodbMetrics),
						// The exporter signs in by what its pod read when it started.
						...(generation === undefined
							? {}
							: { "impresario.dev/password-generation": String(generation) }),
					},
				},
				spec: createPodSpec({
					// A clean end hands the primary's role over and spares the next start a recovery.
					terminationGracePeriodSeconds: 60,
					securityContext: { fsGroup: mongodb.uid },
					...separateMembers(part.name, sizing),
					containers: [createMember(sizing.mongodb), createExporter()],
					volumes: [
						createSecretVolume("secrets", [
							"MONGODB_KEYFILE",
							"MONGODB_ROOT_PASSWORD",
						]),
						{ name: "run", emptyDir: { medium: "Memory", sizeLimit: "1Mi" } },
						// For the server's socket.
						...writeToTmp.volumes,
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

function createMember(size: Sizing["mongodb"]): Container {
	return {
		name: part.name,
		image: mongodb.image,
		command: ["bash", "-c", startMember(size), formReplicaSet(size.members)],
		ports: [{ name: "mongodb", containerPort: mongodb.port }],
		volumeMounts: [
			{ name: "data", mountPath: "/data/db" },
			{ name: "run", mountPath: "/run/mongodb" },
			{ name: "secrets", mountPath: secretFolder, readOnly: true },
			...writeToTmp.volumeMounts,
		],
		...createProbes(),
		securityContext: {
			...runAsUser(mongodb.uid),
			...writeToTmp.securityContext,
		},
		resources: sizeMember(size.memoryMiB),
	};
}

/** Looks at the member beside it, as a user who sees no data. */
function createExporter(): Container {
	const { name, image, port, user } = mongodb.exporter;
	return {
		name,
		image,
		args: [
			"--mongodb.direct-connect",
			"--collector.replicasetstatus",
			"--collector.diagnosticdata",
			`--web.listen-address=:${port}`,
		],
		env: [
			{
				name: "MONGODB_URI",
				value: `mongodb://127.0.0.1:${mongodb.port}/admin`,
			},
			{ name: "MONGODB_USER", value: user },
			createSecretVariable("MONGODB_PASSWORD", {
				secret: "datastores",
				key: passwordKey(user),
			}),
		],
		ports: [{ name: "metrics", containerPort: port }],
		livenessProbe: { tcpSocket: { port: "metrics" }, periodSeconds: 30 },
		securityContext: {
			...runAsUser(mongodb.uid),
			readOnlyRootFilesystem: true,
		},
		resources: exporterResources,
	};
}

function createProbes(): Probes {
	const ask = (script: string) => ({
		exec: { command: ["mongo", "--norc", "--quiet", "--eval", script] },
		timeoutSeconds: 10,
	});
	return {
		startupProbe: {
			tcpSocket: { port: "mongodb" },
			periodSeconds: 3,
			// Recovery after a crash may take minutes; to be killed in it helps nobody.
			failureThreshold: 200,
		},
		readinessProbe: { ...ask(isUsable), periodSeconds: 10 },
		livenessProbe: {
			...ask("quit(db.adminCommand({ ping: 1 }).ok ? 0 : 1);"),
			periodSeconds: 30,
			failureThreshold: 6,
		},
	};
}

/** A Job cannot be changed, so its name says what it does: other members or passwords are another Job, and all else is not. */
function createCompletion(
	place: MongodbPlace & { readonly kind: "own" },
): void {
	const script = completeReplicaSet(place.members);
	const wish = fingerprint([script, ...Object.values(place.passwords)]);
	const name = `mongodb-init-${wish}`;
	const labels = labelsOf({ name: "mongodb-init", component: part.component });
	new kubernetes.batch.v1.Job(name, {
		metadata: { name, labels },
		spec: {
			backoffLimit: 3,
			activeDeadlineSeconds: 900,
			template: {
				metadata: { labels },
				spec: createPodSpec({
					restartPolicy: "Never",
					containers: [
						createMongodbErrand({
							name: "mongodb-init",
							place,
							script,
							repeat: true,
						}),
					],
					volumes: [createRootVolume()],
				}),
			},
		},
	});
}
