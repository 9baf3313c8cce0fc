// Backups of the databases: a CronJob that makes them, and one that never runs by itself and is the template of a
// restore. A Job on demand is made from either by the service. Where they are kept is a claim, or a bucket.
import * as kubernetes from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { BlueprintInput } from "../../src/domain/blueprint.ts";
import {
	type BackupJobKind,
	backupCronJob,
	jobLabel,
	restoreCronJob,
} from "../../src/domain/cluster.ts";
import type { Parameters } from "../../src/domain/parameters.ts";
import { findPromisedVersion } from "../../src/domain/release.ts";
import { sizeContainer } from "../../src/domain/sizing.ts";
import {
	backupFolders,
	backupScript,
	downloadScript,
	dumpedDatabases,
	restoreScript,
	uploadScript,
} from "./backup-scripts.ts";
import { labelsOf } from "./conventions.ts";
import { mongodb } from "./datastores.ts";
import { createPodSpec, runAsUser } from "./pods.ts";
import { createSecretVariable } from "./secrets.ts";

type Container = kubernetes.types.input.core.v1.Container;
type EnvVar = kubernetes.types.input.core.v1.EnvVar;
type PodSpec = kubernetes.types.input.core.v1.PodSpec;
type Volume = kubernetes.types.input.core.v1.Volume;

/** Where backups go that do not stay in the cluster. */
export interface BackupBucket {
	readonly name: pulumi.Input<string>;
	readonly region: string;
	/** Of the user who may read and write this bucket only. */
	readonly accessKeyId: pulumi.Input<string>;
	readonly secretAccessKey: pulumi.Input<string>;
}

export interface BackupPlan {
	readonly plan: Parameters["backups"];
	/** Whether there is anything to back up that changes. */
	readonly isRunning: boolean;
	/** Size of the claim. */
	readonly storage: string;
	/** Of someone who may read and write all databases. A secret. */
	readonly mongodbUri: string;
	readonly bucket: BackupBucket | null;
}

const names = { secret: "backup", claim: "backups" } as const;
const awsImage = "amazon/aws-cli:2.17.65";

/** Declares the Secret, the claim where there is no bucket, and both CronJobs. */
export function createBackups(input: BlueprintInput, plan: BackupPlan): void {
	createSecret(plan);
	if (plan.bucket === null) {
		createClaim(plan.storage, input.target.storageClass);
	}
	createCronJob("backup", {
		schedule: plan.plan.schedule,
		suspend: !(plan.plan.enabled && plan.isRunning),
		pod: createPod(plan, createBackupContainers(input, plan)),
	});
	createCronJob("restore", {
		// Never comes: it is suspended for good.
		schedule: "0 0 1 1 *",
		suspend: true,
		pod: createPod(plan, createRestoreContainers(input, plan)),
	});
}

function createSecret({ mongodbUri, bucket }: BackupPlan): void {
	new kubernetes.core.v1.Secret(names.secret, {
		metadata: {
			name: names.secret,
			labels: labelsOf({ name: names.secret, component: "secret" }),
		},
		type: "Opaque",
		stringData: pulumi.secret({
			// The tools' own configuration file. YAML doubles a quote inside of single ones.
			"tools.yaml": `uri: '${mongodbUri.replaceAll("'", "''")}'\n`,
			...(bucket === null
				? {}
				: {
						AWS_ACCESS_KEY_ID: bucket.accessKeyId,
						AWS_SECRET_ACCESS_KEY: bucket.secretAccessKey,
					}),
		}),
	});
}

function createClaim(storage: string, storageClass: string | null): void {
	const { claim } = names;
	new kubernetes.core.v1.PersistentVolumeClaim(claim, {
		metadata: {
			name: claim,
			labels: labelsOf({ name: claim, component: "backup" }),
		},
		spec: {
			accessModes: ["ReadWriteOnce"],
			...(storageClass === null ? {} : { storageClassName: storageClass }),
			resources: { requests: { storage } },
		},
	});
}

const cronJobs: Readonly<Record<BackupJobKind, string>> = {
	backup: backupCronJob,
	restore: restoreCronJob,
};

function createCronJob(
	kind: BackupJobKind,
	job: {
		readonly schedule: string;
		readonly suspend: boolean;
		readonly pod: PodSpec;
	},
): void {
	const name = cronJobs[kind];
	const labels = {
		...labelsOf({ name, component: "backup" }),
		[jobLabel]: kind,
	};
	new kubernetes.batch.v1.CronJob(name, {
		metadata: { name, labels },
		spec: {
			schedule: job.schedule,
			timeZone: "Etc/UTC",
			suspend: job.suspend,
			concurrencyPolicy: "Forbid",
			// A controller that was away for longer waits for the next time.
			startingDeadlineSeconds: 3600,
			successfulJobsHistoryLimit: 3,
			failedJobsHistoryLimit: 3,
			jobTemplate: {
				metadata: { labels },
				spec: {
					backoffLimit: 1,
					activeDeadlineSeconds: 6 * 3600,
					template: { metadata: { labels }, spec: job.pod },
				},
			},
		},
	});
}

type Containers = Pick<PodSpec, "initContainers" | "containers">;

function createPod({ bucket }: BackupPlan, containers: Containers): PodSpec {
	return createPodSpec({
		restartPolicy: "Never",
		terminationGracePeriodSeconds: 10,
		securityContext: { fsGroup: mongodb.uid },
		...containers,
		volumes: [
			bucket === null
				? {
						name: "backups",
						persistentVolumeClaim: { claimName: names.claim },
					}
				: { name: "backups", emptyDir: {} },
			configurationVolume,
			{ name: "tmp", emptyDir: {} },
		],
	});
}

const configurationVolume: Volume = {
	name: "configuration",
	secret: {
		secretName: names.secret,
		items: [{ key: "tools.yaml", path: "tools.yaml" }],
	},
};

function createBackupContainers(
	input: BlueprintInput,
	{ plan, bucket }: BackupPlan,
): Containers {
	const dump = (result: string | null): Container => ({
		...createToolContainer(result === null ? "backup" : "dump", backupScript),
		env: [
			...describeVersions(input),
			{ name: "DATABASES", value: dumpedDatabases.join(" ") },
			{
				name: "RETENTION_DAYS",
				value: String(plan.retentionDays),
			},
			{
				name: "POD_NAME",
				valueFrom: { fieldRef: { fieldPath: "metadata.name" } },
			},
			...(result === null ? [] : [{ name: "RESULT", value: result }]),
		],
	});
	return bucket === null
		? { containers: [dump(null)] }
		: {
				initContainers: [dump(`${backupFolders.backups}/.result`)],
				containers: [createBucketContainer("backup", uploadScript, bucket)],
			};
}

function createRestoreContainers(
	input: BlueprintInput,
	{ bucket }: BackupPlan,
): Containers {
	const restore: Container = {
		...createToolContainer("restore", restoreScript),
		// BACKUP, and ALLOW_OTHER_VERSION if it is meant, come with the Job.
		env: describeVersions(input),
	};
	return bucket === null
		? { containers: [restore] }
		: {
				initContainers: [
					createBucketContainer("download", downloadScript, bucket),
				],
				containers: [restore],
			};
}

/** What goes into a manifest, and what a restore compares with it. */
function describeVersions(input: BlueprintInput): EnvVar[] {
	const image = input.release.images.server;
	return Object.entries({
		ENVIRONMENT: input.environment,
		NAMESPACE: input.namespace,
		RELEASE: input.release.name,
		SERVER_IMAGE: image,
		MAESTRO_VERSION: findPromisedVersion(image) ?? "",
		MONGODB_VERSION: mongodb.version,
	}).map(([name, value]) => ({ name, value }));
}

/** MongoDB's image has its tools in it, and the nodes have pulled it already. */
function createToolContainer(name: string, script: string): Container {
	return {
		...createContainer(name, script),
		image: mongodb.image,
		volumeMounts: [
			...mounts,
			{
				name: "configuration",
				mountPath: backupFolders.configuration,
				readOnly: true,
			},
		],
	};
}

function createBucketContainer(
	name: string,
	script: string,
	bucket: BackupBucket,
): Container {
	return {
		...createContainer(name, script),
		image: awsImage,
		env: [
			{ name: "BUCKET", value: bucket.name },
			{ name: "AWS_REGION", value: bucket.region },
			{ name: "AWS_DEFAULT_REGION", value: bucket.region },
			{ name: "HOME", value: "/tmp" },
			...(["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] as const).map((key) =>
				createSecretVariable(key, { secret: names.secret, key }),
			),
		],
		volumeMounts: mounts,
	};
}

const mounts = [
	{ name: "backups", mountPath: backupFolders.backups },
	{ name: "tmp", mountPath: "/tmp" },
];

function createContainer(
	name: string,
	script: string,
): Pick<
	Container,
	| "name"
	| "command"
	| "securityContext"
	| "resources"
	| "terminationMessagePolicy"
> {
	return {
		name,
		command: ["sh", "-c", script],
		terminationMessagePolicy: "File",
		securityContext: {
			...runAsUser(mongodb.uid),
			readOnlyRootFilesystem: true,
		},
		resources: sizeContainer(50, 512),
	};
}
