// What `apply` needs of a cluster.
import type { Check, PodPromise, WorkloadName } from "./blueprint.ts";
import type { DeclaredObject, DriftItem } from "./drift.ts";
import type { NewEvent } from "./event.ts";
import type { Existing } from "./stock.ts";

export interface ClusterHooks {
	readonly signal: AbortSignal;
	readonly onEvent: (event: NewEvent) => void | Promise<void>;
}

/**
 * One cluster, seen through a client. All methods throw a Failure: `unavailable` (retryable) when the API
 * server does not answer, `cancelled` when the signal ended the call.
 */
export interface Cluster {
	/**
	 * Fulfils when every workload of the namespace is ready: Deployments and StatefulSets rolled out, Jobs
	 * complete, claims bound. Reports each workload once it is ready, and the reason of a stuck one within
	 * seconds. Throws `workload_stuck` when a reason that will not pass by itself has lasted.
	 */
	waitUntilReady(namespace: string, hooks: ClusterHooks): Promise<void>;
	/**
	 * As `waitUntilReady`, for these workloads alone: what else is in the namespace may be in any state. One that is
	 * not there yet is waited for.
	 */
	waitUntilRolledOut(
		namespace: string,
		workloads: readonly WorkloadName[],
		hooks: ClusterHooks,
	): Promise<void>;
	/**
	 * Fulfils when no pod of these parts (their `app.kubernetes.io/name`) is left in the namespace that has not ended by
	 * itself, also none that is still ending.
	 */
	waitUntilStopped(
		namespace: string,
		parts: readonly string[],
		hooks: Pick<ClusterHooks, "signal">,
	): Promise<void>;
	/**
	 * Deletes the namespace if it is there and belongs to this environment, and fulfils when it and all in
	 * it are gone. Throws `conflict` if a namespace of that name belongs to somebody else.
	 */
	deleteNamespace(
		namespace: string,
		environment: string,
		hooks: ClusterHooks,
	): Promise<void>;
	/**
	 * Runs the verification Job inside the namespace, looks at its pods, and returns what each version endpoint
	 * answered. Throws `verification_failed` naming each promise that is not kept.
	 */
	verify(
		request: VerifyRequest,
		hooks: ClusterHooks,
	): Promise<Record<string, string>>;
	/**
	 * Counts what the namespace holds, itself included, and says what of it is not ready. What controllers made of others
	 * does not count. Nothing if the namespace is not there or not the environment's.
	 */
	takeStock(
		request: StockRequest,
		hooks: Pick<ClusterHooks, "signal">,
	): Promise<readonly Existing[]>;
	/**
	 * Has the usage of the environment's quotas counted anew: creates that were interrupted may be charged to them
	 * although nothing was made. Nothing happens where there are none.
	 */
	recountQuotas(
		request: Pick<StockRequest, "namespace" | "environment">,
		hooks: Pick<ClusterHooks, "signal">,
	): Promise<void>;
	/**
	 * Makes a backup of the environment's databases, and fulfils when it is complete. Throws `backup_failed`
	 * with the reason that the Job gives, `workload_stuck` when its pod does not start.
	 */
	backUp(request: BackupRequest, hooks: ClusterHooks): Promise<Backup>;
	/**
	 * Puts a backup in place of what the databases hold. It is checked whole before anything is touched.
	 * Throws `not_found` without such a backup, `conflict` when it is of another minor version, and
	 * `backup_failed` when it is damaged or the tools fail.
	 */
	restore(
		request: RestoreRequest,
		hooks: ClusterHooks,
	): Promise<Pick<Backup, "name" | "takenAt" | "bytes" | "parts">>;
	/**
	 * Ends a restore of this run that may go on still, or start late, and fulfils when nothing of it is left. One that
	 * never was is ended.
	 */
	endRestore(
		request: BackupRequest,
		hooks: Pick<ClusterHooks, "signal">,
	): Promise<void>;
	/** What differs from what was declared, most dangerous first. Reads what the objects hold, secrets too, and tells none of those. */
	findDrift(
		declared: readonly DeclaredObject[],
		hooks: Pick<ClusterHooks, "signal">,
	): Promise<readonly DriftItem[]>;
	/**
	 * Takes off what somebody added to these objects: an apply would leave it, because it is not the applier's.
	 */
	removeAdditions(
		declared: readonly DeclaredObject[],
		items: readonly DriftItem[],
		hooks: Pick<ClusterHooks, "signal">,
	): Promise<void>;
	/** The namespaces that say they are this service's. */
	listNamespaces(signal: AbortSignal): Promise<readonly OwnedObject[]>;
	/**
	 * What says it is this service's in a namespace, or in all of them; without what another object owns and without the
	 * service's own Jobs. Only kinds that environments consist of are asked for.
	 */
	listObjects(
		namespace: string | undefined,
		signal: AbortSignal,
	): Promise<readonly OwnedObject[]>;
	/** Whether there is such an object, whatever it says of itself; undefined for a kind that environments do not consist of. */
	hasObject(
		object: ObjectName,
		signal: AbortSignal,
	): Promise<boolean | undefined>;
	/** Gives back what the client holds. */
	close(): Promise<void>;
}

export interface StockRequest {
	readonly namespace: string;
	/** The id of the environment that it must belong to. */
	readonly environment: string;
	/** Looked for besides what environments usually consist of; as `apiVersion/Kind`. */
	readonly kinds: readonly string[];
}

export interface ObjectName {
	/** `apiVersion/Kind`. */
	readonly kind: string;
	/** null for a namespace. */
	readonly namespace: string | null;
	readonly name: string;
}

/** An object with what its labels say of it. */
export interface OwnedObject extends ObjectName {
	readonly environment: string | null;
	readonly tenant: string | null;
}

export const namespaceKind = "v1/Namespace";

export interface VerifyRequest {
	readonly namespace: string;
	/** The operation's attempt, part of the Job's name: an attempt never meets the Job of another. */
	readonly run: string;
	/** Runs the script: an image with Node in it. */
	readonly image: string;
	readonly checks: readonly Check[];
	readonly pods?: readonly PodPromise[];
	/** Of the pod; without it, the namespace's default one. */
	readonly serviceAccount?: string;
}

/** What a backup's Job tells of it. */
export interface Backup {
	/** Names it where it is kept. */
	readonly name: string;
	/** ISO 8601, by the clock of the cluster's node. */
	readonly takenAt: string;
	readonly bytes: number;
	readonly parts: number;
	/** Whether it is of one moment. Without an oplog each collection is of its own. */
	readonly oplog: boolean;
	/** Of its manifest, which holds the SHA-256 of each part. */
	readonly sha256: string;
}

export interface BackupRequest {
	readonly namespace: string;
	/** A DNS label, part of the Job's name: what is begun twice with the same run is done once. */
	readonly run: string;
}

export interface RestoreRequest extends BackupRequest {
	readonly backup: string;
	/** Takes a backup of another minor version of Maestro or of MongoDB, too. */
	readonly allowOtherVersion: boolean;
	/** The backup that was made just before: what only that one knows goes. Without it, what came after the backup stays. */
	readonly before?: string | undefined;
	/** Only checks what a restore checks before it touches anything. */
	readonly dryRun?: boolean;
}

/** `untouched` of the failure of a restore that has not begun with the databases. */
export const databasesUntouched = "The databases were not touched.";

/** The CronJobs of an environment from which Jobs on demand are made. The second one never runs by itself. */
export const backupCronJob = "backup";
export const restoreCronJob = "restore";
/** Values of `jobLabel`. */
export type BackupJobKind = "backup" | "restore";

/** Marks a Job whose outcome matters, so that the sandbox computes it from what runs. The value is the kind of Job. */
export const jobLabel = "impresario.dev/job";
/** Labels on every object of an environment. */
export const environmentLabel = "impresario.dev/environment";
export const tenantLabel = "impresario.dev/tenant";
export const managedByLabel = "app.kubernetes.io/managed-by";
export const managedBy = "impresario";
/** The variable in which the verification Job finds its Checks, as JSON. */
export const checksVariable = "CHECKS";
/** The variable with the password for the management of RabbitMQ, where queues are checked. */
export const queuesPasswordVariable = "QUEUES_PASSWORD";
/** Says of a pod which part of the topology it is. */
export const partLabel = "app.kubernetes.io/name";

/** What the verification Job leaves as its termination message, as JSON; one entry per check. */
export interface CheckResult {
	readonly process: string;
	/** The version that the endpoint answered, if it answered one. */
	readonly version: string | null;
	/** Why there is no version or not the promised one, or what else is not as promised. */
	readonly error: string | null;
}
