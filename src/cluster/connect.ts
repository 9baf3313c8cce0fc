import type { Cluster } from "../domain/cluster.ts";
import { backUp } from "./backup.ts";
import { makeClient } from "./client.ts";
import { hasObject, listNamespaces, listObjects } from "./leftovers.ts";
import { type ClusterLimits, defaultLimits } from "./limits.ts";
import { deleteNamespace } from "./namespace.ts";
import { recountQuotas } from "./quotas.ts";
import { endRestore, restore } from "./restore.ts";
import { takeStock } from "./stock.ts";
import { waitUntilStopped } from "./stopped.ts";
import { verify } from "./verify.ts";
import { waitUntilReady, waitUntilRolledOut } from "./watch.ts";

/**
 * The cluster of a kubeconfig's current context. Nothing is asked of it yet. Throws `not_set_up` if the
 * kubeconfig is of no use.
 */
export function makeCluster(
	kubeconfig: string,
	limits: Partial<ClusterLimits> = {},
): Cluster {
	const client = makeClient(kubeconfig, { ...defaultLimits, ...limits });
	return {
		waitUntilReady: (namespace, hooks) =>
			waitUntilReady(client, namespace, hooks),
		waitUntilRolledOut: (namespace, only, hooks) =>
			waitUntilRolledOut(client, { namespace, only }, hooks),
		waitUntilStopped: (namespace, parts, { signal }) =>
			waitUntilStopped(client, { namespace, parts }, signal),
		deleteNamespace: (namespace, environment, hooks) =>
			deleteNamespace(client, { namespace, environment }, hooks),
		verify: (request, hooks) => verify(client, request, hooks),
		recountQuotas: (request, { signal }) =>
			recountQuotas(client, request, signal),
		takeStock: (request, { signal }) => takeStock(client, request, signal),
		backUp: (request, hooks) => backUp(client, request, hooks),
		restore: (request, hooks) => restore(client, request, hooks),
		endRestore: (request, { signal }) => endRestore(client, request, signal),
		listNamespaces: (signal) => listNamespaces(client, signal),
		listObjects: (namespace, signal) => listObjects(client, namespace, signal),
		hasObject: (object, signal) => hasObject(client, object, signal),
		close: async () => client.close(),
	};
}
