// An environment as the API server has it, with the fields that promises are about.
import type { KubernetesObject } from "../../support/kubectl.ts";
import { listLive, type Ordered } from "../stage.ts";

type Words = Readonly<Record<string, string>>;

export interface Probe {
	readonly httpGet?: { readonly path: string; readonly port: number | string };
	readonly exec?: { readonly command: readonly string[] };
	readonly tcpSocket?: object;
	readonly timeoutSeconds: number;
	readonly periodSeconds: number;
	readonly failureThreshold: number;
}

export interface Variable {
	readonly name: string;
	readonly value?: string;
	readonly valueFrom?: {
		readonly secretKeyRef?: { readonly name: string; readonly key: string };
	};
}

export interface Container {
	readonly name: string;
	readonly image: string;
	readonly command?: readonly string[];
	readonly workingDir?: string;
	readonly env?: readonly Variable[];
	readonly envFrom?: readonly object[];
	readonly ports?: readonly {
		readonly name?: string;
		readonly containerPort: number;
		readonly hostPort?: number;
	}[];
	readonly startupProbe?: Probe;
	readonly livenessProbe?: Probe;
	readonly readinessProbe?: Probe;
	readonly resources: { readonly requests?: Words; readonly limits?: Words };
	readonly securityContext?: {
		readonly runAsNonRoot?: boolean;
		readonly runAsUser?: number;
		readonly readOnlyRootFilesystem?: boolean;
		readonly allowPrivilegeEscalation?: boolean;
		readonly privileged?: boolean;
		readonly capabilities?: {
			readonly drop?: readonly string[];
			readonly add?: readonly string[];
		};
	};
	readonly volumeMounts?: readonly { readonly mountPath: string }[];
}

export interface PodSpec {
	readonly nodeName?: string;
	readonly initContainers?: readonly Container[];
	readonly containers: readonly Container[];
	readonly volumes?: readonly {
		readonly name: string;
		readonly projected?: object;
		readonly secret?: { readonly secretName: string };
	}[];
	readonly enableServiceLinks: boolean;
	readonly automountServiceAccountToken?: boolean;
	readonly serviceAccountName?: string;
	readonly securityContext?: {
		readonly seccompProfile?: { readonly type: string };
		readonly fsGroup?: number;
	};
	readonly terminationGracePeriodSeconds: number;
	readonly topologySpreadConstraints?: readonly {
		readonly topologyKey: string;
		readonly whenUnsatisfiable: string;
		readonly maxSkew: number;
	}[];
	readonly affinity?: {
		readonly podAntiAffinity?: {
			readonly requiredDuringSchedulingIgnoredDuringExecution?: readonly {
				readonly topologyKey: string;
			}[];
		};
	};
}

export interface Workload extends KubernetesObject {
	readonly spec: {
		readonly replicas: number;
		readonly strategy?: {
			readonly type: string;
			readonly rollingUpdate?: { readonly maxUnavailable: number | string };
		};
		readonly serviceName?: string;
		readonly podManagementPolicy?: string;
		readonly persistentVolumeClaimRetentionPolicy?: Words;
		readonly template: {
			readonly metadata: { readonly annotations?: Words };
			readonly spec: PodSpec;
		};
	};
	readonly status: { readonly readyReplicas?: number };
}

export interface Pod extends KubernetesObject {
	readonly spec: PodSpec;
	readonly status: {
		readonly phase: string;
		readonly conditions: readonly {
			readonly type: string;
			readonly status: string;
		}[];
	};
}

/** A kind whose spec is looked at field by field. */
export interface Specified extends KubernetesObject {
	readonly spec: Readonly<Record<string, unknown>>;
	readonly status?: Readonly<Record<string, unknown>>;
}

export interface Live extends Ordered {
	readonly namespace: Specified;
	readonly objects: readonly KubernetesObject[];
	readonly nodes: readonly KubernetesObject[];
}

const kinds = [
	"deployments",
	"statefulsets",
	"replicasets",
	"pods",
	"jobs",
	"cronjobs",
	"services",
	"ingresses",
	"networkpolicies",
	"poddisruptionbudgets",
	"horizontalpodautoscalers",
	"persistentvolumeclaims",
	"resourcequotas",
	"limitranges",
	"secrets",
	"configmaps",
	"serviceaccounts",
	"roles",
	"rolebindings",
];

export async function lookAt(
	ordered: Ordered,
	get: (...args: string[]) => Promise<KubernetesObject[]>,
): Promise<Live> {
	const { namespace: name } = ordered.environment;
	const [namespace] = await get("namespace", name);
	if (namespace === undefined) throw new Error(`there is no ${name}`);
	return {
		...ordered,
		namespace: namespace as Specified,
		objects: await listLive(name, kinds.join(",")),
		nodes: await get("nodes"),
	};
}

export const listKind = <Kind extends KubernetesObject>(
	{ objects }: Live,
	kind: string,
): readonly Kind[] => objects.filter((one) => one.kind === kind) as Kind[];

export const findNamed = <Kind extends KubernetesObject>(
	live: Live,
	kind: string,
	name: string,
): Kind | undefined =>
	listKind<Kind>(live, kind).find(({ metadata }) => metadata.name === name);

export function loadNamed<Kind extends KubernetesObject>(
	live: Live,
	kind: string,
	name: string,
): Kind {
	const found = findNamed<Kind>(live, kind, name);
	if (found === undefined) throw new Error(`there is no ${kind} ${name}`);
	return found;
}

/** The pods of a part that are there, whatever owns them. */
export const listPodsOf = (live: Live, part: string): readonly Pod[] =>
	listKind<Pod>(live, "Pod").filter(
		({ metadata, status }) =>
			metadata.labels?.["app.kubernetes.io/name"] === part &&
			status.phase === "Running",
	);

export const listContainers = ({
	initContainers = [],
	containers,
}: PodSpec): readonly Container[] => [...initContainers, ...containers];

/** The container that is the part itself: the others stand beside it. */
export function loadContainer(live: Live, kind: string, name: string) {
	const { spec } = loadNamed<Workload>(live, kind, name);
	const found = spec.template.spec.containers.find((one) => one.name === name);
	if (found === undefined) throw new Error(`${name} has no container`);
	return found;
}

/** The labels of the nodes on which these pods are, each value once. */
export const listPlaces = (
	{ nodes }: Live,
	pods: readonly Pod[],
	label: string,
): readonly string[] => [
	...new Set(
		pods.map(
			({ spec }) =>
				nodes.find(({ metadata }) => metadata.name === spec.nodeName)?.metadata
					.labels?.[label] ?? "none",
		),
	),
];

/** The values of a Secret, in the clear. */
export function readSecret(live: Live, name: string): Words {
	const { data = {} } = loadNamed<KubernetesObject & { data?: Words }>(
		live,
		"Secret",
		name,
	);
	return Object.fromEntries(
		Object.entries(data).map(([key, value]) => [
			key,
			Buffer.from(value, "base64").toString(),
		]),
	);
}

export const namesOfKind = (live: Live, kind: string): readonly string[] =>
	listKind(live, kind)
		.map(({ metadata }) => metadata.name)
		.sort();
