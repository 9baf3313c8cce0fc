// What exists and should not, or should exist and does not: the words, and how they are told from what was seen. Pure.
import { bucketType, type OwnedStorage, userType } from "./aws.ts";
import { namespaceKind, type ObjectName, type OwnedObject } from "./cluster.ts";
import { readStorageName, stackName } from "./names.ts";

/**
 * stray    it exists, and no living environment has it
 * missing  an environment's state names it, and it does not exist
 * unknown  it is in a living environment's namespace, and that environment's state does not know it
 */
export const findings = ["stray", "missing", "unknown"] as const;
export type Finding = (typeof findings)[number];

/** No look answers with more than this. */
export const leftoverLimit = 1_000;

export interface Leftover {
	readonly finding: Finding;
	readonly target: string;
	/** The environment's id, as far as the thing tells of one. */
	readonly environment: string | null;
	readonly tenant: string | null;
	readonly namespace: string | null;
	/** `apiVersion/Kind`, or the engine's type for anything but a Kubernetes object. */
	readonly kind: string;
	readonly name: string;
	/** What a person does about it. */
	readonly advice: string;
}

/** An environment that was not destroyed. */
export interface Living {
	readonly environment: string;
	readonly tenant: string;
	readonly namespace: string;
	readonly target: string;
	/** The same for two targets that are one cluster. */
	readonly cluster: string;
}

/** A resource as an engine's state has it. */
export interface StateResource {
	/** The engine's type. */
	readonly type: string;
	/** What the provider calls it; null while it is being made. */
	readonly id: string | null;
}

interface Place {
	readonly target: string;
	readonly cluster: string;
}

/** Namespaces that no living environment of this cluster has. What is in them is not listed: it goes with them. */
export function findStrayNamespaces(
	{ target, cluster }: Place,
	namespaces: readonly OwnedObject[],
	living: readonly Living[],
): Leftover[] {
	const taken = new Set(
		living
			.filter((one) => one.cluster === cluster)
			.map(({ environment, namespace }) => `${environment} ${namespace}`),
	);
	return namespaces
		.filter(({ environment, name }) => !taken.has(`${environment} ${name}`))
		.map(({ kind, name, environment, tenant }) => ({
			finding: "stray" as const,
			target,
			environment,
			tenant,
			namespace: name,
			kind,
			name,
			advice: `No living environment of this installation has it. If no other installation uses this cluster, delete it: kubectl delete namespace ${name}`,
		}));
}

/** Buckets and users of no living environment. An account may serve several targets, so whose target it is does not matter. */
export function findStrayStorage(
	target: string,
	storage: readonly OwnedStorage[],
	living: readonly Living[],
): Leftover[] {
	const alive = new Set(living.map(({ environment }) => environment));
	return storage
		.filter(({ environment }) => !alive.has(environment))
		.map((one) => ({
			finding: "stray" as const,
			target,
			environment: one.environment,
			tenant: null,
			namespace: null,
			kind: one.kind,
			name: one.name,
			advice: `No living environment of this installation has it. If no other installation uses this account: ${adviseDeletion(one)}`,
		}));
}

/** How a person deletes something in AWS. */
export function adviseDeletion({ kind, name }: OwnedStorage): string {
	if (kind === userType) {
		return `delete the keys and the policy of the user ${name}, then the user: aws iam delete-user --user-name ${name}`;
	}
	const backups = readStorageName(name)?.purpose === "backups";
	const hint = backups ? ", unless its backups are wanted" : "";
	return `empty the bucket ${name}, all versions included${hint}, and delete it: aws s3api delete-bucket --bucket ${name}`;
}

/** What the state names and nobody saw. Whether it is really not there is to be asked once more, by its name. */
export function findMissing(
	living: Living,
	state: readonly StateResource[],
	seen: {
		/** null: the cluster was not looked at. */
		readonly objects: readonly ObjectName[] | null;
		/** null: the account was not looked at. */
		readonly storage: readonly OwnedStorage[] | null;
	},
): Leftover[] {
	const there = new Set(seen.objects?.map(identify));
	const stored = new Set(seen.storage?.map(identifyStorage));
	const missing = state.flatMap(({ type, id }): ObjectName[] => {
		const object = readObject({ type, id });
		if (object !== undefined) {
			const isThere = seen.objects === null || there.has(identify(object));
			return isThere ? [] : [object];
		}
		const isStorage = type === bucketType || type === userType;
		if (!isStorage || id === null || seen.storage === null) return [];
		const name = { kind: type, name: id };
		return stored.has(identifyStorage(name))
			? []
			: [{ ...name, namespace: null }];
	});
	// Without its namespace all the rest is missing, too: that is one thing to be told.
	const hasNamespace = !missing.some(({ kind }) => kind === namespaceKind);
	const told = missing.filter((one) => hasNamespace || one.namespace === null);
	return told.map((object) => ({
		...present("missing", living, object),
		advice: `Somebody deleted it by hand. The engine's state still names it, so nothing makes it again by itself: with the plain CLI, \`pulumi refresh\` of the stack ${stackName(living.environment)} lets go of it, and the next order for the environment makes it again. Or destroy the environment.`,
	}));
}

/** What is in the environment's namespace and not in its state. `namespace` is the namespace itself, if it was seen. */
export function findUnknown(
	living: Living,
	state: readonly StateResource[],
	seen: {
		readonly namespace: OwnedObject | undefined;
		readonly objects: readonly OwnedObject[];
	},
): Leftover[] {
	const known = state.flatMap((resource) => readObject(resource) ?? []);
	const ids = new Set(known.map(identify));
	if (seen.namespace !== undefined && !ids.has(identify(seen.namespace))) {
		return [
			{
				...present("unknown", living, seen.namespace),
				advice:
					"The engine's state does not know this namespace, nor what is in it. Destroying the environment deletes it.",
			},
		];
	}
	const sets = known.filter(({ kind }) => kind === "apps/v1/StatefulSet");
	return seen.objects
		.filter((object) => !ids.has(identify(object)))
		.filter((object) => !isClaimOf(sets, object))
		.map((object) => ({
			...present("unknown", living, object),
			advice: `It goes with the environment. If nobody needs it before: kubectl -n ${object.namespace} delete ${object.kind.split("/").at(-1)?.toLowerCase()} ${object.name}`,
		}));
}

/** Buckets and users of a living environment that its state does not know: a create of theirs was interrupted. */
export function findUnknownStorage(
	living: Living,
	state: readonly StateResource[],
	storage: readonly OwnedStorage[],
): Leftover[] {
	const known = new Set(state.map(({ type, id }) => `${type} ${id}`));
	return storage
		.filter(({ environment }) => environment === living.environment)
		.filter((one) => !known.has(identifyStorage(one)))
		.map((one) => ({
			...present("unknown", living, { ...one, namespace: null }),
			advice: `Nothing uses it, and a destroy does not find it. If nobody needs it: ${adviseDeletion(one)}`,
		}));
}

const present = (
	finding: Finding,
	{ environment, tenant, target }: Living,
	{ kind, name, namespace }: ObjectName,
) => ({
	finding,
	target,
	environment,
	tenant,
	namespace: kind === namespaceKind ? name : namespace,
	kind,
	name,
});

/** `kubernetes:core/v1:Secret` with the id `namespace/name`; undefined for anything else. */
export function readObject({
	type,
	id,
}: StateResource): ObjectName | undefined {
	const [, api, kind] = /^kubernetes:([^:]+):([^:]+)$/.exec(type) ?? [];
	if (api === undefined || kind === undefined || id === null) return undefined;
	const [first = "", second] = id.split("/");
	return {
		kind: `${api.replace(/^core\//, "")}/${kind}`,
		...(second === undefined
			? { namespace: null, name: first }
			: { namespace: first, name: second }),
	};
}

const identify = ({ kind, namespace, name }: ObjectName): string =>
	`${kind} ${namespace ?? ""} ${name}`;

const identifyStorage = ({ kind, name }: { kind: string; name: string }) =>
	`${kind} ${name}`;

/** The controller makes it from the set's template, with the template's labels and without an owner. */
const isClaimOf = (
	sets: readonly ObjectName[],
	{ kind, name }: ObjectName,
): boolean =>
	kind === "v1/PersistentVolumeClaim" &&
	sets.some((set) => name.replace(/-\d+$/, "").endsWith(`-${set.name}`));
