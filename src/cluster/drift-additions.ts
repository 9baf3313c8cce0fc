// What somebody set on an object that the program says nothing of. The server notes who set each field
// (metadata.managedFields; "Server-Side Apply" in Kubernetes' reference). Pure.
import { managedBy } from "../domain/cluster.ts";
import { type Fields, isFields, type Path } from "./drift-values.ts";
import type { KubeObject } from "./objects.ts";

/** Ours are the program's applies and the service's own patches. */
const isOurs = (manager: string): boolean =>
	manager === managedBy || manager.startsWith("pulumi");

// Controllers name themselves; people come with kubectl, a browser or a client of their own.
const isController = (manager: string): boolean =>
	/controller|scheduler|kubelet|kube-apiserver|apiserver|operator|autoscaler|kwok|cert-manager|cainjector|provisioner|attacher|resizer|ingress|traefik|cilium|calico|istio|webhook|injector/i.test(
		manager,
	);

export interface Addition {
	readonly path: Path;
	readonly found: unknown;
}

/** Fields of a live object that neither the program nor a controller set. */
export function findAdditions(
	declared: Fields,
	live: KubeObject & Fields,
): Addition[] {
	const entries = (live.metadata?.managedFields ?? []).filter(
		({ manager = "", subresource = "" }) =>
			subresource !== "status" && !isOurs(manager) && !isController(manager),
	);
	const found = new Map<string, Addition>();
	for (const { fieldsV1 } of entries) {
		if (!isFields(fieldsV1)) continue;
		walk({ fields: fieldsV1, declared, live, path: [] }, (addition) =>
			found.set(addition.path.join("\n"), addition),
		);
	}
	return [...found.values()];
}

interface Place {
	/** Who set what, in the server's notation. */
	readonly fields: Fields;
	readonly declared: unknown;
	readonly live: unknown;
	readonly path: Path;
}

function walk(place: Place, tell: (addition: Addition) => void): void {
	for (const [key, below] of Object.entries(place.fields)) {
		if (key === "." || !isFields(below)) continue;
		const step = findStep(key, place.live);
		if (step === undefined) continue;
		const path = [...place.path, step.at];
		if (isNobodys(path)) continue;
		const declared = findSame(key, step.at, place.declared);
		const isLeaf = Object.keys(below).length === 0;
		const isUnknown = declared === undefined || declared === null;
		// Of a map or an item that others made, "." says who made the whole of it.
		if (isUnknown && (isLeaf || "." in below)) {
			tell({ path, found: step.value });
		} else if (!isLeaf) {
			walk({ fields: below, declared, live: step.value, path }, tell);
		}
	}
}

/** What tells of a deed and wishes for nothing, or is the server's own bookkeeping. */
function isNobodys(path: Path): boolean {
	const [first, second] = path;
	if (first === "status") return true;
	if (first === "metadata" && second !== undefined)
		return !["labels", "annotations"].includes(String(second));
	return path.at(-1) === "kubectl.kubernetes.io/restartedAt";
}

/** One step down: `f:name` a field, `k:{…}` the item of a list with these keys, `v:…` the item of a set. */
function findStep(
	key: string,
	live: unknown,
): { readonly at: string | number; readonly value: unknown } | undefined {
	const name = key.slice(2);
	if (key.startsWith("f:")) {
		const value = isFields(live) ? live[name] : undefined;
		return value === undefined ? undefined : { at: name, value };
	}
	if (!Array.isArray(live)) return undefined;
	const at = findItem(key, live);
	return at < 0 ? undefined : { at, value: live[at] };
}

function findItem(key: string, list: readonly unknown[]): number {
	const sought: unknown = JSON.parse(key.slice(2));
	if (key.startsWith("v:")) return list.indexOf(sought);
	return list.findIndex(
		(item) =>
			isFields(item) &&
			isFields(sought) &&
			Object.entries(sought).every(
				// A declared port need not say that it is TCP.
				([name, value]) =>
					item[name] === value ||
					(name === "protocol" && item[name] === undefined),
			),
	);
}

function findSame(
	key: string,
	at: string | number,
	declared: unknown,
): unknown {
	if (key.startsWith("f:"))
		return isFields(declared) ? declared[at] : undefined;
	if (!Array.isArray(declared)) return undefined;
	return declared[findItem(key, declared)];
}

/** A merge patch (RFC 7386) that takes these places off, if the object is still the one that was seen. */
export function makeRemoval(
	live: KubeObject & Fields,
	additions: readonly Addition[],
): Fields {
	const kept: unknown = structuredClone(live);
	// From the back: what goes from a list moves what is behind it.
	for (const { path } of [...additions].sort(byLastPlace)) remove(kept, path);
	const patch = findPatch(live, kept);
	const { metadata } = patch;
	return {
		...patch,
		metadata: {
			...(isFields(metadata) ? metadata : {}),
			resourceVersion: live.metadata?.resourceVersion,
		},
	};
}

const byLastPlace = (a: Addition, b: Addition): number =>
	Number(b.path.at(-1)) - Number(a.path.at(-1)) || 0;

function remove(from: unknown, path: Path): void {
	const parent = path
		.slice(0, -1)
		.reduce<unknown>(
			(value, step) =>
				Array.isArray(value)
					? value[Number(step)]
					: isFields(value)
						? value[step]
						: undefined,
			from,
		);
	const last = path.at(-1);
	if (Array.isArray(parent)) parent.splice(Number(last), 1);
	else if (isFields(parent)) Reflect.deleteProperty(parent, last ?? "");
}

function findPatch(before: Fields, after: unknown): Fields {
	const entries = Object.entries(before).flatMap(([key, value]) => {
		const next = isFields(after) ? after[key] : undefined;
		if (next === undefined) return [[key, null] as const];
		if (isFields(value)) {
			const below = findPatch(value, next);
			return Object.keys(below).length === 0 ? [] : [[key, below] as const];
		}
		return JSON.stringify(value) === JSON.stringify(next)
			? []
			: [[key, next] as const];
	});
	return Object.fromEntries(entries);
}
