// Quotas after an interruption. The API server charges a create to the quota before it stores the object, and does not
// take that back when its client is gone in between: what was never made stays charged until the quota controller
// counts anew, which it does every five minutes, or when a quota's limits change (kubernetes/pkg/controller/resourcequota).
import { setTimeout as delay } from "node:timers/promises";
import { environmentLabel } from "../domain/cluster.ts";
import type { Client } from "./client.ts";
import { findName, type KubeObject } from "./objects.ts";

interface Quota extends KubeObject {
	readonly status?: { readonly hard?: Readonly<Record<string, string>> };
}

// A limit that limits nothing. To add it is a change, and it is in the status once all was counted. The number is one
// that Kubernetes writes as it is: 1000000 would come back as 1M.
const probe = "count/configmaps";
const unlimited = "999999999";
const lookEveryMs = 50;
const countWithinMs = 10_000;

/**
 * Has what the environment's quotas hold counted anew, and fulfils when that was done. A controller that does not come
 * to it within ten seconds is not waited for any longer: it comes later, and what a quota refuses meanwhile says so.
 */
export async function recountQuotas(
	client: Client,
	of: { readonly namespace: string; readonly environment: string },
	signal: AbortSignal,
): Promise<void> {
	const path = `/api/v1/namespaces/${of.namespace}/resourcequotas`;
	const answer = await client.send<{ items: readonly Quota[] }>({
		what: `list resourcequotas in namespace ${of.namespace}`,
		path,
		query: { labelSelector: `${environmentLabel}=${of.environment}` },
		signal,
	});
	const quotas = answer.ok ? answer.body.items : [];
	await Promise.all(
		quotas.map((quota) =>
			recount(client, `${path}/${findName(quota)}`, signal),
		),
	);
}

async function recount(
	client: Client,
	path: string,
	signal: AbortSignal,
): Promise<void> {
	const limit = (value: string | null) =>
		client.send<Quota>({
			what: `change the quota ${path}`,
			method: "PATCH",
			path,
			body: { spec: { hard: { [probe]: value } } },
			signal,
		});
	// One that a run before left behind is taken away first, or adding it would change nothing.
	await limit(null);
	const changed = await limit(unlimited);
	const end = performance.now() + countWithinMs;
	for (let isThere = changed.ok; isThere && performance.now() < end; ) {
		const answer = await client.send<Quota>({
			what: `get the quota ${path}`,
			path,
			signal,
		});
		if (!answer.ok || answer.body.status?.hard?.[probe] === unlimited) break;
		await delay(lookEveryMs, undefined, { signal });
	}
	await limit(null);
}
