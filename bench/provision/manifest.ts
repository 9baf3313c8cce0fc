// The objects of an environment as a manifest: read from the cluster, and freed of all that the cluster
// added. Defaults that the API server filled in stay; they change nothing.
import type { KubernetesObject } from "../../test/support/kubectl.ts";
import { kubectlGet } from "../../test/support/kubectl.ts";
import type { Declared } from "./ours.ts";

type Json = Record<string, unknown>;

/** Text of a manifest into the namespace of that name. */
export type Manifest = (namespace: string) => string;

/** Reads exactly the declared objects: none of those that controllers made from them. */
export async function loadManifest(
	kubeconfig: string,
	namespace: string,
	declared: readonly Declared[],
): Promise<Manifest> {
	const found = await kubectlGet(
		kubeconfig,
		"-n",
		namespace,
		...declared.map(({ kind, name }) => `${presentResource(kind)}/${name}`),
	);
	if (found.length !== declared.length) {
		throw new Error(`${found.length} of ${declared.length} objects were found`);
	}
	const items = found
		.map(strip)
		// The namespace first; the order of the rest is that of their creation.
		.sort(
			(a, b) => Number(b.kind === "Namespace") - Number(a.kind === "Namespace"),
		);
	const text = JSON.stringify({ apiVersion: "v1", kind: "List", items });
	return (name) => text.replaceAll(namespace, name);
}

/** `apps/v1/Deployment` → `Deployment.v1.apps`, as kubectl names a kind for sure. */
function presentResource(kind: string): string {
	const parts = kind.split("/");
	const name = parts.at(-1);
	return parts.length === 3 ? `${name}.${parts[1]}.${parts[0]}` : `${name}`;
}

const ofTheCluster = [
	"uid",
	"resourceVersion",
	"generation",
	"creationTimestamp",
	"managedFields",
	"ownerReferences",
	"finalizers",
	"selfLink",
];
const addedKeys =
	/^(pulumi\.com\/|pv\.kubernetes\.io\/|volume(\.beta)?\.kubernetes\.io\/|deployment\.kubernetes\.io\/|kubernetes\.io\/metadata\.name$|batch\.kubernetes\.io\/|controller-uid$|job-name$)/;

function strip(object: KubernetesObject): Json & { kind: string } {
	const { status: _, ...rest } = object;
	const spec = (object.spec ?? {}) as Json;
	return {
		...rest,
		metadata: stripMetadata(object.metadata as unknown as Json),
		...(object.spec === undefined
			? {}
			: { spec: stripSpec(object.kind, spec) }),
	};
}

function stripMetadata(metadata: Json): Json {
	const kept = Object.entries(metadata).filter(
		([name]) => !ofTheCluster.includes(name),
	);
	const clean = kept.map(([name, value]) => [
		name,
		name === "labels" || name === "annotations"
			? stripKeys(value as Json)
			: value,
	]);
	return Object.fromEntries(clean);
}

const stripKeys = (map: Json): Json =>
	Object.fromEntries(
		Object.entries(map).filter(([key]) => !addedKeys.test(key)),
	);

function stripSpec(kind: string, spec: Json): Json {
	switch (kind) {
		case "Namespace":
			return {};
		case "PersistentVolumeClaim": {
			// Bound to its own volume, it would wait for ever for one that is another's.
			const { volumeName: _, ...rest } = spec;
			return rest;
		}
		case "Service": {
			const { clusterIPs: _, clusterIP, ...rest } = spec;
			return clusterIP === "None" ? { ...rest, clusterIP } : rest;
		}
		case "Job": {
			const { selector: _, ...rest } = spec;
			const template = spec.template as Json;
			const metadata = stripMetadata(template.metadata as Json);
			return { ...rest, template: { ...template, metadata } };
		}
		case "StatefulSet": {
			const claims = (spec.volumeClaimTemplates ?? []) as Json[];
			const templates = claims.map(({ status: _, ...claim }) => ({
				...claim,
				metadata: stripMetadata(claim.metadata as Json),
			}));
			return { ...spec, volumeClaimTemplates: templates };
		}
		default:
			return spec;
	}
}
