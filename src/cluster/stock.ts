// What a namespace holds, counted by kind, and what of it is not as it should be.
import { environmentLabel, type StockRequest } from "../domain/cluster.ts";
import {
	type Existing,
	type NotReady,
	notReadyLimit,
} from "../domain/stock.ts";
import type { Client } from "./client.ts";
import { findNamespace } from "./namespace.ts";
import {
	type Claim,
	type Deployment,
	findName,
	isBeingDeleted,
	type Job,
	type KubeEvent,
	type KubeObject,
	type Pod,
	type ReplicaSet,
	type StatefulSet,
} from "./objects.ts";
import { decideWorkloads } from "./workloads.ts";

interface List<T = KubeObject> {
	/** null in a list of metadata that is empty. */
	readonly items: readonly T[] | null;
}

interface Api {
	readonly resources: readonly {
		readonly name: string;
		readonly kind: string;
		readonly namespaced: boolean;
	}[];
}

const namespaceKind = "v1/Namespace";

// What environments consist of. Asked for in any case: a create whose answer was lost is in no state of the engine's.
const usualKinds = [
	"v1/ConfigMap",
	"v1/LimitRange",
	"v1/PersistentVolumeClaim",
	"v1/ResourceQuota",
	"v1/Secret",
	"v1/Service",
	"v1/ServiceAccount",
	"apps/v1/DaemonSet",
	"apps/v1/Deployment",
	"apps/v1/StatefulSet",
	"autoscaling/v2/HorizontalPodAutoscaler",
	"batch/v1/CronJob",
	"batch/v1/Job",
	"monitoring.coreos.com/v1/PodMonitor",
	"monitoring.coreos.com/v1/PrometheusRule",
	"monitoring.coreos.com/v1/ServiceMonitor",
	"networking.k8s.io/v1/Ingress",
	"networking.k8s.io/v1/NetworkPolicy",
	"policy/v1/PodDisruptionBudget",
	"rbac.authorization.k8s.io/v1/Role",
	"rbac.authorization.k8s.io/v1/RoleBinding",
];

// Metadata is all that is counted, and a Secret's content need not travel.
const metadataOnly =
	"application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";

/** See `Cluster.takeStock`. */
export async function takeStock(
	client: Client,
	request: StockRequest,
	signal: AbortSignal,
): Promise<readonly Existing[]> {
	const found = await findNamespace(client, request.namespace, signal);
	const owner = found?.metadata?.labels?.[environmentLabel];
	if (found === undefined || owner !== request.environment) return [];
	const kinds = new Set([...usualKinds, ...request.kinds]);
	const [conditions, ...lists] = await Promise.all([
		findConditions(client, request.namespace, signal),
		...[...Map.groupBy(kinds, apiVersionOf)].map(([api, kinds]) =>
			listKinds(client, { ...request, api, kinds }, signal),
		),
	]);
	const objects = [[namespaceKind, [found]] as const, ...lists.flat()];
	return objects
		.map(([kind, all]) => count(kind, all.filter(isOwn), conditions))
		.filter((existing) => existing.count > 0);
}

const apiVersionOf = (kind: string): string =>
	kind.slice(0, kind.lastIndexOf("/"));

/** `v1` is the core's, and has a place of its own. */
const apiPath = (apiVersion: string): string =>
	apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;

async function listKinds(
	client: Client,
	{
		namespace,
		api,
		kinds,
	}: { namespace: string; api: string; kinds: readonly string[] },
	signal: AbortSignal,
): Promise<(readonly [kind: string, objects: readonly KubeObject[]])[]> {
	const answer = await client.send<Api>({
		what: `list the kinds of ${api}`,
		path: apiPath(api),
		signal,
	});
	// A kind that the cluster does not know has no objects there.
	const known = answer.ok ? answer.body.resources : [];
	return Promise.all(
		known
			.filter(({ kind, name, namespaced }) => {
				const isPart = name.includes("/");
				return namespaced && !isPart && kinds.includes(`${api}/${kind}`);
			})
			.map(async ({ kind, name }) => {
				const path = `${apiPath(api)}/namespaces/${namespace}/${name}`;
				const what = `list ${name} in namespace ${namespace}`;
				const list = await client.send<List>({
					what,
					path,
					accept: metadataOnly,
					signal,
				});
				return [`${api}/${kind}`, (list.ok && list.body.items) || []] as const;
			}),
	);
}

// Every namespace gets these by itself (kube-controller-manager: root CA publisher, service account controller).
const automatic = new Set(["kube-root-ca.crt", "default"]);

const isOwn = (object: KubeObject): boolean =>
	(object.metadata?.ownerReferences ?? []).length === 0 &&
	!automatic.has(findName(object));

function count(
	kind: string,
	objects: readonly KubeObject[],
	conditions: ReadonlyMap<string, string>,
): Existing {
	const notReady = objects.flatMap((object): NotReady[] => {
		const name = findName(object);
		const condition = isBeingDeleted(object)
			? "is being deleted"
			: conditions.get(`${kind} ${name}`);
		return condition === undefined ? [] : [{ name, condition }];
	});
	return {
		kind,
		count: objects.length,
		notReady: notReady.slice(0, notReadyLimit),
	};
}

const conditionLength = 300;

/** Of each workload that is not ready, by `kind name`, why. */
async function findConditions(
	client: Client,
	namespace: string,
	signal: AbortSignal,
): Promise<ReadonlyMap<string, string>> {
	const list = async <T>(api: string, resource: string) => {
		const answer = await client.send<List<T>>({
			what: `list ${resource} in namespace ${namespace}`,
			path: `${apiPath(api)}/namespaces/${namespace}/${resource}`,
			signal,
		});
		return (answer.ok && answer.body.items) || [];
	};
	const [deployments, statefulSets, replicaSets, jobs, pods, claims, events] =
		await Promise.all([
			list<Deployment>("apps/v1", "deployments"),
			list<StatefulSet>("apps/v1", "statefulsets"),
			list<ReplicaSet>("apps/v1", "replicasets"),
			list<Job>("batch/v1", "jobs"),
			list<Pod>("v1", "pods"),
			list<Claim>("v1", "persistentvolumeclaims"),
			list<KubeEvent>("v1", "events"),
		]);
	const workloads = decideWorkloads({
		deployments,
		statefulSets,
		replicaSets,
		jobs,
		pods,
		claims,
		events,
	});
	return new Map(
		workloads.flatMap(({ kind, name, verdict }) => {
			if (verdict.state === "ready") return [];
			const why =
				verdict.state === "waiting"
					? verdict.reason
					: `${verdict.reason}. ${verdict.message}`;
			return [[`${kind} ${name}`, why.slice(0, conditionLength)] as const];
		}),
	);
}
