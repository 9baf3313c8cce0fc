// What goes into a blueprint's program and what comes out of it.
import type { AwsAccess } from "./aws.ts";
import type { Endpoints } from "./environment.ts";
import type { Parameters } from "./parameters.ts";
import type { Release } from "./release.ts";
import type { Secrets } from "./secret.ts";
import type { BlueprintName, Power, Size } from "./spec.ts";
import type { TargetSettings } from "./target.ts";

export interface BlueprintVersion {
	readonly name: BlueprintName;
	readonly version: string;
}

/** Everything that a program may know. It reads nothing else: no variable, no file, no clock. */
export interface BlueprintInput {
	/** The environment's id; with the tenant's name it marks every object as ours. */
	readonly environment: string;
	readonly environmentName: string;
	readonly tenant: string;
	readonly namespace: string;
	readonly revision: number;
	readonly size: Size;
	readonly release: Release;
	readonly labels: Readonly<Record<string, string>>;
	readonly parameters: Parameters;
	readonly secrets: Secrets;
	readonly target: {
		/** Text of a kubeconfig. A secret. */
		readonly kubeconfig: string;
		/** Names the cluster for the engine, so that another address of the same cluster replaces nothing. */
		readonly clusterIdentifier: string;
		readonly domain: string;
		readonly ingressClass: string | null;
		readonly storageClass: string | null;
		readonly settings: TargetSettings;
		/** Text of a Docker configuration with the registry's credentials. A secret. */
		readonly pullSecret: string | null;
		/** Without it uploads stay in the containers, and backups in the cluster. */
		readonly aws?: AwsAccess | null;
	};
	/** Leaves the bucket of backups where it is when the environment is destroyed. To be set by a run before the destroy. */
	readonly keepBackups?: boolean;
	/**
	 * What runs; without it, everything. `quiesced`: the data stores, and nothing that writes to them. `hibernated`:
	 * nothing. Whatever is kept is there in all three.
	 */
	readonly power?: Power | "quiesced";
}

/** What the Job of a verification finds out inside of the namespace. */
export type Check = VersionCheck | PageCheck | ReplicaSetCheck | QueuesCheck;

/** A version endpoint, and what it must answer. */
export interface VersionCheck {
	readonly kind?: "version";
	readonly process: string;
	/** As reached from inside the namespace. */
	readonly url: string;
	/** The version that the image's tag promises; null when the image is named by digest only. */
	readonly version: string | null;
}

/** That browsers get a page. It tells no version that could be read. */
export interface PageCheck {
	readonly kind: "page";
	readonly process: string;
	/** As reached from inside the namespace. */
	readonly url: string;
	readonly version: null;
}

/** That a replica set has its members and one primary. Asked of each member, without signing in. */
export interface ReplicaSetCheck {
	readonly kind: "replicaSet";
	readonly process: string;
	/** The set's name. */
	readonly set: string;
	/** `host:port` of each member. */
	readonly hosts: readonly string[];
	readonly version: null;
}

/** That somebody works on each queue. Asked of the management of RabbitMQ. */
export interface QueuesCheck {
	readonly kind: "queues";
	readonly process: string;
	/** Of the management's list of queues. */
	readonly url: string;
	readonly queues: readonly string[];
	readonly user: string;
	/** Where the password lies in the namespace. */
	readonly password: { readonly secret: string; readonly key: string };
	readonly version: null;
}

/** What must be true of the pods of a part, as the cluster sees it: no Job in the namespace may look at them. */
export interface PodPromise {
	/** The part's `app.kubernetes.io/name`. */
	readonly part: string;
	/** How many are ready. */
	readonly ready: number;
	/** Whether one more would break the promise. */
	readonly exactly: boolean;
	/** On how many different nodes at least. */
	readonly nodes: number;
}

/**
 * The order in which a change is rolled out: what a stage declares runs before the next one is touched. Maestro
 * documents none; this is the one that its parts' dependence on each other asks for. The beat comes last, because it
 * hands work to all the others.
 */
export const stageNames = [
	"stores",
	"migration",
	"backEnds",
	"workers",
	"fronts",
	"beat",
] as const;
export type StageName = (typeof stageNames)[number];

/** A workload as events name it: `apiVersion/Kind` and the object's name. */
export interface WorkloadName {
	readonly kind: string;
	readonly name: string;
}

/** A part of a program that was applied. */
export interface Stage {
	readonly name: StageName;
	/** The Deployments, StatefulSets and Jobs in it. */
	readonly workloads: readonly WorkloadName[];
}

/** Told of each stage once it was applied. The program goes on when it fulfils, and fails with what it throws. */
export type Pace = (stage: Stage) => Promise<void>;

export interface BlueprintOutputs {
	readonly endpoints: Endpoints;
	/** What is asked inside of the namespace after a deploy. */
	readonly checks: readonly Check[];
	/** What is asked of the cluster after a deploy. */
	readonly pods?: readonly PodPromise[];
	/** The account for a pod of the service's own. Without it, the namespace's default one. */
	readonly serviceAccount?: string;
	/** What is less than Maestro advises, and why. */
	readonly warnings?: readonly string[];
}

/** The version that new revisions get. The programs themselves are loaded by the engine's children only. */
export const currentVersions: Record<BlueprintName, string> = {
	maestro: "1.1.0",
};
