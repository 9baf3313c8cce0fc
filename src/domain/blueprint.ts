// What goes into a blueprint's program and what comes out of it.
import type { AwsAccess } from "./aws.ts";
import type { Endpoints } from "./environment.ts";
import type { Parameters } from "./parameters.ts";
import type { Release } from "./release.ts";
import type { Secrets } from "./secret.ts";
import type { BlueprintName, Size } from "./spec.ts";
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
}

/** A version endpoint inside the namespace, and what it must answer. */
export interface VersionCheck {
	readonly process: string;
	/** As reached from inside the namespace. */
	readonly url: string;
	/** The version that the image's tag promises; null when the image is named by digest only. */
	readonly version: string | null;
}

export interface BlueprintOutputs {
	readonly endpoints: Endpoints;
	/** Processes whose documented version endpoint is asked after a deploy. */
	readonly checks: readonly VersionCheck[];
	/** The account for a pod of the service's own. Without it, the namespace's default one. */
	readonly serviceAccount?: string;
	/** What is less than Maestro advises, and why. */
	readonly warnings?: readonly string[];
}

/** The version that new revisions get. The programs themselves are loaded by the engine's children only. */
export const currentVersions: Record<BlueprintName, string> = {
	maestro: "1.0.0",
};
