import { type ClusterHooks, environmentLabel } from "../domain/cluster.ts";
import { Failure } from "../failure.ts";
import type { Client } from "./client.ts";
import { followUntil, type Look } from "./follow-until.ts";
import { isBeingDeleted, type Namespace } from "./objects.ts";
import { makeNamespaceSource, makePath } from "./sources.ts";

const pathOf = (namespace: string): string => `/api/v1/namespaces/${namespace}`;

/** The namespace, if there is one of that name. */
export async function findNamespace(
	client: Client,
	namespace: string,
	signal: AbortSignal,
): Promise<Namespace | undefined> {
	const answer = await client.send<Namespace>({
		what: `get the namespace ${namespace}`,
		path: pathOf(namespace),
		signal,
	});
	return answer.ok ? answer.body : undefined;
}

export interface Deletion {
	readonly namespace: string;
	/** The id of the environment that it must belong to. */
	readonly environment: string;
}

/** See `Cluster.deleteNamespace`. Begun twice, it does what is left to do. */
export async function deleteNamespace(
	client: Client,
	{ namespace, environment }: Deletion,
	{ signal, onEvent }: ClusterHooks,
): Promise<void> {
	const found = await findNamespace(client, namespace, signal);
	if (found === undefined) return;
	requireOwner(found, { namespace, environment });
	const uid = found.metadata?.uid ?? "";
	const isOurs = !isBeingDeleted(found);
	if (isOurs) await requestDeletion(client, { namespace, uid, signal });
	await hastenDeletion(client, namespace, signal);

	let last = found;
	await followUntil<{ namespaces: readonly Namespace[] }, undefined>(client, {
		signal,
		sources: { namespaces: makeNamespaceSource(namespace) },
		look({ namespaces }): Look<undefined> {
			// One of the same name with another uid is another namespace: ours is gone.
			const left = namespaces.find(({ metadata }) => metadata?.uid === uid);
			if (left === undefined) return { result: undefined };
			last = left;
			return { againInMs: undefined };
		},
		presentState: () => presentRemains(namespace, last),
	});
	// Whoever else asked for the deletion has told of it.
	if (isOurs) {
		await onEvent({
			type: "resource.deleted",
			data: { kind: "v1/Namespace", name: namespace },
		});
	}
}

function requireOwner(found: Namespace, deletion: Deletion): void {
	const { namespace, environment } = deletion;
	const owner = found.metadata?.labels?.[environmentLabel];
	if (owner === environment) return;
	throw new Failure({
		code: "conflict",
		message:
			owner === undefined
				? `The namespace ${namespace} was not made by this service: it has no label ${environmentLabel}.`
				: `The namespace ${namespace} belongs to environment ${owner}, not to ${environment}.`,
		untouched: "The namespace and all in it were left as they are.",
		advice: `If it is to go, delete it by hand: kubectl delete namespace ${namespace}`,
	});
}

async function requestDeletion(
	client: Client,
	{
		namespace,
		uid,
		signal,
	}: { namespace: string; uid: string; signal: AbortSignal },
): Promise<void> {
	// The uid keeps us from deleting a namesake that was made since we looked. 404 and 409 say that this one
	// is gone or going: the watch tells which.
	await client.send({
		what: `delete the namespace ${namespace}`,
		method: "DELETE",
		path: pathOf(namespace),
		body: { propagationPolicy: "Background", preconditions: { uid } },
		signal,
	});
}

/**
 * Deletes what takes longest to go. The namespace controller deletes all, but begins after 5 seconds, and
 * looks again only after half of the pods' grace (kubernetes/pkg/controller/namespace): what is gone before
 * its first look need not be waited for. It is not told if this fails: then it just takes that long.
 */
async function hastenDeletion(
	client: Client,
	namespace: string,
	signal: AbortSignal,
): Promise<void> {
	const resources = [
		"deployments",
		"statefulsets",
		"jobs",
		"persistentvolumeclaims",
	] as const;
	await Promise.allSettled(
		resources.map((resource) =>
			client.send({
				what: `delete ${resource} in namespace ${namespace}`,
				method: "DELETE",
				path: makePath(namespace, resource),
				body: { propagationPolicy: "Background" },
				signal,
			}),
		),
	);
}

/** What the namespace controller says it is waiting for (its conditions that hold), while a deletion hangs. */
function presentRemains(namespace: string, found: Namespace): string {
	const conditions = (found.status?.conditions ?? []).filter(
		({ status }) => status === "True",
	);
	const remains = conditions.map(
		({ type, message }) => `${type}: ${message ?? ""}`,
	);
	const why =
		remains.length === 0
			? "The cluster does not say what it waits for."
			: `It waits for this: ${remains.join(" ")}`;
	return `Waiting for the deletion of namespace ${namespace} was ended before it was gone. ${why}`;
}
