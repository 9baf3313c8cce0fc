// What differs between an object that was applied and the live one, and how bad that is. Pure.
import {
	environmentLabel,
	managedByLabel,
	tenantLabel,
} from "../domain/cluster.ts";
import type { DeclaredObject, DriftClass, DriftItem } from "../domain/drift.ts";
import { findAdditions } from "./drift-additions.ts";
import {
	type Difference,
	type Fields,
	findDifferences,
	isFields,
	type Path,
} from "./drift-values.ts";
import type { KubeObject } from "./objects.ts";

export type Live = KubeObject & Fields;

/** What holds data, or opens them: changed or gone. */
const dataKinds = new Set([
	"v1/Namespace",
	"v1/PersistentVolumeClaim",
	"v1/Secret",
	"apps/v1/StatefulSet",
]);

/** Of these, somebody else acts on the annotations. */
const annotatedKinds = new Set([
	"v1/Namespace",
	"v1/Service",
	"v1/ServiceAccount",
	"networking.k8s.io/v1/Ingress",
]);

const ownLabels = [environmentLabel, tenantLabel, managedByLabel];

/** What the other objects of an environment decide about one. */
export interface Context {
	/** Keys of labels that something selects by. */
	readonly selected: ReadonlySet<string>;
	/** `Kind name` of what an autoscaler scales. */
	readonly scaled: ReadonlySet<string>;
}

export function findContext(all: readonly DeclaredObject[]): Context {
	const selected = new Set(ownLabels);
	const scaled = new Set<string>();
	for (const { kind, content } of all) {
		collectSelectors(content, selected);
		const target =
			kind.endsWith("/HorizontalPodAutoscaler") && isFields(content.spec)
				? content.spec.scaleTargetRef
				: undefined;
		if (isFields(target)) scaled.add(`${target.kind} ${target.name}`);
	}
	return { selected, scaled };
}

function collectSelectors(value: unknown, into: Set<string>): void {
	if (Array.isArray(value)) {
		for (const item of value) collectSelectors(item, into);
	} else if (isFields(value)) {
		for (const [key, part] of Object.entries(value)) {
			if (["matchLabels", "selector"].includes(key) && isFields(part)) {
				for (const [label, text] of Object.entries(part))
					if (typeof text === "string") into.add(label);
			}
			if (key === "matchExpressions" && Array.isArray(part)) {
				for (const one of part) if (isFields(one)) into.add(String(one.key));
			}
			collectSelectors(part, into);
		}
	}
}

/** All differences of one object. `live` undefined: it is gone. */
export function compareObject(
	declared: DeclaredObject,
	live: Live | undefined,
	context: Context,
): DriftItem[] {
	const { kind, name } = declared;
	if (live === undefined) {
		if (goesByItself(declared)) return [];
		const of = dataKinds.has(kind) ? "dangerous" : "repairable";
		return [
			{ kind, name, class: of, path: "", wanted: "present", found: null },
		];
	}
	const wanted = normalize(declared.content);
	const changed = findDifferences({
		path: [],
		declaredPath: [],
		wanted,
		found: live,
	}).filter(({ path }) => !isOthers(declared, path, context));
	const added = findAdditions(wanted, live).map(
		({ path, found }): Difference => ({
			path,
			declaredPath: path,
			wanted: undefined,
			found,
		}),
	);
	return [...changed, ...added].map((difference) => ({
		kind,
		name,
		class: decideClass(kind, difference.path, context),
		path: presentPath(difference.path),
		wanted: presentWanted(declared, difference),
		found: presentFound(declared, difference),
	}));
}

// A finished Job with a time to live is deleted by its controller.
const goesByItself = ({ kind, content }: DeclaredObject): boolean =>
	kind === "batch/v1/Job" &&
	isFields(content.spec) &&
	content.spec.ttlSecondsAfterFinished !== undefined;

/** The fields that are compared, as the server keeps them. */
export function normalize(content: Fields): Fields {
	const {
		metadata,
		stringData,
		// A list leaves out what its items are, and nobody wishes for a status.
		apiVersion: _api,
		kind: _kind,
		status: _status,
		...rest
	} = content;
	const { labels = {}, annotations = {} } = isFields(metadata) ? metadata : {};
	return {
		...rest,
		...(isFields(stringData) && {
			data: {
				...(isFields(rest.data) ? rest.data : {}),
				...Object.fromEntries(
					Object.entries(stringData).map(([key, text]) => [
						key,
						Buffer.from(String(text)).toString("base64"),
					]),
				),
			},
		}),
		metadata: { labels, annotations },
	};
}

const isOthers = (
	{ kind, name }: DeclaredObject,
	path: Path,
	{ scaled }: Context,
): boolean =>
	path.join("/") === "spec/replicas" &&
	scaled.has(`${kind.slice(kind.lastIndexOf("/") + 1)} ${name}`);

function decideClass(kind: string, path: Path, context: Context): DriftClass {
	const [first, second, key] = path;
	if (first === "metadata" && second === "annotations")
		return annotatedKinds.has(kind) ? "repairable" : "cosmetic";
	if (first === "metadata" && second === "labels") {
		const matters =
			key === undefined ||
			context.selected.has(String(key)) ||
			// Pod Security is set by them.
			String(key).startsWith("pod-security.kubernetes.io/");
		return matters ? "repairable" : "cosmetic";
	}
	return dataKinds.has(kind) ? "dangerous" : "repairable";
}

/** RFC 6901. */
const presentPath = (path: Path): string =>
	path
		.map(
			(step) => `/${String(step).replaceAll("~", "~0").replaceAll("/", "~1")}`,
		)
		.join("");

const masked = '"[secret]"';

function presentWanted(
	declared: DeclaredObject,
	{ wanted, declaredPath }: Difference,
): string | null {
	if (wanted === undefined) return null;
	return isSecret(declared, declaredPath) ? masked : present(wanted);
}

function presentFound(
	declared: DeclaredObject,
	{ found, declaredPath, path }: Difference,
): string | null {
	if (found === undefined) return null;
	// What somebody typed into a variable of a process may be a password.
	if (isSecret(declared, declaredPath) || path.includes("env")) return masked;
	return present(found);
}

/** In both directions: a value below a secret, and one that holds a secret. */
function isSecret(
	{ kind, secrets }: DeclaredObject,
	declaredPath: Path,
): boolean {
	const isMeta = declaredPath[0] === "metadata";
	if (kind === "v1/Secret" && !isMeta) return true;
	const path = presentPath(declaredPath);
	return secrets.some(
		(secret) =>
			`${secret}/`.startsWith(`${path}/`) ||
			`${path}/`.startsWith(`${secret}/`),
	);
}

const textLength = 200;

function present(value: unknown): string {
	const text = JSON.stringify(value);
	return text.length <= textLength ? text : `${text.slice(0, textLength)}…`;
}

const ranks: readonly DriftClass[] = ["dangerous", "repairable", "cosmetic"];

/** Most dangerous first, then by object. */
export const sortItems = (items: readonly DriftItem[]): DriftItem[] =>
	[...items].sort(
		(a, b) =>
			ranks.indexOf(a.class) - ranks.indexOf(b.class) ||
			a.kind.localeCompare(b.kind) ||
			a.name.localeCompare(b.name),
	);
