// Where things are in the API.
import type { Collection } from "./follow.ts";

const groups = {
	deployments: "apis/apps/v1",
	statefulsets: "apis/apps/v1",
	replicasets: "apis/apps/v1",
	jobs: "apis/batch/v1",
	cronjobs: "apis/batch/v1",
	pods: "api/v1",
	persistentvolumeclaims: "api/v1",
	events: "api/v1",
} as const;

type Resource = keyof typeof groups;

/** The path of a collection of namespaced objects. */
export const makePath = (namespace: string, resource: Resource): string =>
	`/${groups[resource]}/namespaces/${namespace}/${resource}`;

export const makeSource = (
	namespace: string,
	resource: Resource,
	query: Readonly<Record<string, string>> = {},
): Collection => ({
	what: `${resource} in namespace ${namespace}`,
	path: makePath(namespace, resource),
	query,
});

export const makeWarningSource = (namespace: string): Collection =>
	makeSource(namespace, "events", { fieldSelector: "type=Warning" });

/** The namespace itself, as a collection of one or none. */
export const makeNamespaceSource = (namespace: string): Collection => ({
	what: `the namespace ${namespace}`,
	path: "/api/v1/namespaces",
	query: { fieldSelector: `metadata.name=${namespace}` },
});
