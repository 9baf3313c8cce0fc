// Keeps a target, its kubeconfig sealed.
import type { Target } from "../domain/target.ts";
import { type SealKey, seal } from "../seal.ts";
import type { Db } from "../store/db.ts";
import { saveTarget } from "../store/targets.ts";

/** Where the kubeconfig of a target is kept; it opens only there. */
export const targetPlace = (name: string) => `targets/${name}/kubeconfig`;

/** Makes the target or brings it up to date: a cluster may get another address or other credentials. */
export async function registerTarget(
	context: { readonly db: Db; readonly sealKey: SealKey },
	target: {
		readonly name: string;
		readonly kubeconfig: string;
		readonly clusterIdentifier: string;
		readonly domain: string;
		readonly ingressClass: string | null;
		readonly storageClass: string | null;
	},
): Promise<Target> {
	return saveTarget(context.db, {
		...target,
		kubeconfig: seal(
			context.sealKey,
			targetPlace(target.name),
			target.kubeconfig,
		),
	});
}
