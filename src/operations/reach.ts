// What it takes to look at the targets from outside of an operation.
import type { AwsAccess, Cloud } from "../domain/aws.ts";
import type { Cluster } from "../domain/cluster.ts";
import type { SealKey } from "../seal.ts";
import type { Db } from "../store/db.ts";

/** Connects to what a target is made of. Loads what that needs when it is first asked. */
export interface Reach {
	readonly connectCluster: (kubeconfig: string) => Promise<Cluster>;
	readonly connectCloud: (access: AwsAccess) => Promise<Cloud>;
}

export interface LookContext {
	readonly db: Db;
	readonly sealKey: SealKey;
	readonly reach: Reach;
	readonly log: { error(fields: object, message: string): void };
}
