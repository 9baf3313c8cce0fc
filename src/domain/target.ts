// A place to deploy to: one Kubernetes cluster, with the defaults that its environments take.
import type { TargetId } from "./ids.ts";

export interface Target {
	readonly id: TargetId;
	readonly name: string;
	/** Environments get hosts below it. */
	readonly domain: string;
	/** null: the cluster's default class. */
	readonly ingressClass: string | null;
	readonly storageClass: string | null;
	readonly isDefault: boolean;
	readonly createdAt: Date;
}
