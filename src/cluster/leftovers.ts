// What in a cluster says that it is this service's. Metadata is all that is asked for: a Secret's content need not travel.
import {
	environmentLabel,
	jobLabel,
	managedBy,
	managedByLabel,
	namespaceKind,
	type ObjectName,
	type OwnedObject,
	tenantLabel,
} from "../domain/cluster.ts";
import type { Client } from "./client.ts";
import { makeUnavailable } from "./failures.ts";
import { findName, type KubeObject } from "./objects.ts";

/** What environments consist of, and under which name the API has it. The deployer may list each of these. */
export const resources: Readonly<Record<string, string>> = {
	"v1/ConfigMap": "configmaps",
	"v1/LimitRange": "limitranges",
	"v1/PersistentVolumeClaim": "persistentvolumeclaims",
	"v1/ResourceQuota": "resourcequotas",
	"v1/Secret": "secrets",
	"v1/Service": "services",
	"v1/ServiceAccount": "serviceaccounts",
	"apps/v1/DaemonSet": "daemonsets",
	"apps/v1/Deployment": "deployments",
	"apps/v1/StatefulSet": "statefulsets",
	"autoscaling/v2/HorizontalPodAutoscaler": "horizontalpodautoscalers",
	"batch/v1/CronJob": "cronjobs",
	"batch/v1/Job": "jobs",
	"monitoring.coreos.com/v1/PodMonitor": "podmonitors",
	"monitoring.coreos.com/v1/PrometheusRule": "prometheusrules",
	"monitoring.coreos.com/v1/ServiceMonitor": "servicemonitors",
	"networking.k8s.io/v1/Ingress": "ingresses",
	"networking.k8s.io/v1/NetworkPolicy": "networkpolicies",
	"policy/v1/PodDisruptionBudget": "poddisruptionbudgets",
	"rbac.authorization.k8s.io/v1/Role": "roles",
	"rbac.authorization.k8s.io/v1/RoleBinding": "rolebindings",
};

const metadataOf = (
	what: "PartialObjectMetadata" | "PartialObjectMetadataList",
) => `application/json;as=${what};g=meta.k8s.io;v=v1`;

/** See `Cluster.listNamespaces`. */
export async function listNamespaces(
	client: Client,
	signal: AbortSignal,
): Promise<readonly OwnedObject[]> {
	return listKind(client, {
		kind: namespaceKind,
		resource: "namespaces",
		path: "/api/v1/namespaces",
		signal,
	});
}

/** See `Cluster.listObjects`. */
export async function listObjects(
	client: Client,
	namespace: string | undefined,
	signal: AbortSignal,
): Promise<readonly OwnedObject[]> {
	const lists = await Promise.all(
		Object.entries(resources).map(([kind, resource]) =>
			listKind(client, {
				kind,
				resource,
				path: composePath({ kind, namespace, resource }),
				signal,
			}),
		),
	);
	return lists.flat();
}

/** See `Cluster.hasObject`. */
export async function hasObject(
	client: Client,
	{ kind, namespace, name }: ObjectName,
	signal: AbortSignal,
): Promise<boolean | undefined> {
	const resource = kind === namespaceKind ? "namespaces" : resources[kind];
	if (resource === undefined) return undefined;
	const collection = composePath({
		kind,
		namespace: namespace ?? undefined,
		resource,
	});
	const answer = await client.send<KubeObject>({
		what: `get ${resource} ${name}`,
		path: `${collection}/${name}`,
		accept: metadataOf("PartialObjectMetadata"),
		signal,
	});
	return answer.ok;
}

/** The core's kinds have a place of their own. */
export function composePath(of: {
	readonly kind: string;
	readonly namespace: string | undefined;
	readonly resource: string;
}): string {
	const api = of.kind.slice(0, of.kind.lastIndexOf("/"));
	const root = api.includes("/") ? `/apis/${api}` : `/api/${api}`;
	const place = of.namespace === undefined ? "" : `/namespaces/${of.namespace}`;
	return `${root}${place}/${of.resource}`;
}

interface Page {
	readonly metadata?: { readonly continue?: string };
	/** null where there are none, in this form of a list only. */
	readonly items: readonly KubeObject[] | null;
}

const pageSize = "500";

async function listKind(
	client: Client,
	of: {
		readonly kind: string;
		readonly resource: string;
		readonly path: string;
		readonly signal: AbortSignal;
	},
): Promise<OwnedObject[]> {
	const found: OwnedObject[] = [];
	let next: string | undefined;
	do {
		const answer = await client.send<Page>({
			what: `list ${of.resource}`,
			path: of.path,
			query: {
				labelSelector: `${managedByLabel}=${managedBy}`,
				limit: pageSize,
				...(next && { continue: next }),
			},
			accept: metadataOf("PartialObjectMetadataList"),
			signal: of.signal,
		});
		if (!answer.ok) {
			// A kind that the cluster does not know has no objects there.
			if (answer.status === 404) return [];
			throw makeUnavailable(
				client.address,
				`its list of ${of.resource} changed faster than it could be read`,
			);
		}
		found.push(
			...(answer.body.items ?? [])
				.filter(isOnItsOwn)
				.map((object) => toOwned(of.kind, object)),
		);
		next = answer.body.metadata?.continue;
	} while (next);
	return found;
}

const isOnItsOwn = ({ metadata }: KubeObject): boolean =>
	(metadata?.ownerReferences ?? []).length === 0 &&
	metadata?.labels?.[jobLabel] === undefined;

const toOwned = (kind: string, object: KubeObject): OwnedObject => ({
	kind,
	namespace: object.metadata?.namespace ?? null,
	name: findName(object),
	environment: object.metadata?.labels?.[environmentLabel] ?? null,
	tenant: object.metadata?.labels?.[tenantLabel] ?? null,
});
