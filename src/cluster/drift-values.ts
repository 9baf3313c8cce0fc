// Whether a live value is what was wished for. What nobody wished for is not looked at: the server fills in defaults, and
// controllers add what is theirs. Pure.

export type Fields = Readonly<Record<string, unknown>>;

export const isFields = (value: unknown): value is Fields =>
	typeof value === "object" && value !== null && !Array.isArray(value);

/** Where something is: the keys and places that lead to it in the live object. */
export type Path = readonly (string | number)[];

export interface Difference {
	readonly path: Path;
	/** The same place in what was declared. */
	readonly declaredPath: Path;
	readonly wanted: unknown;
	/** Undefined: it is not there. */
	readonly found: unknown;
}

interface Pair {
	readonly path: Path;
	readonly declaredPath: Path;
	readonly wanted: unknown;
	readonly found: unknown;
}

/** What of `wanted` is not so, as deep as it can be told. */
export function findDifferences(pair: Pair): Difference[] {
	const { wanted, found } = pair;
	if (found === undefined || found === null)
		return isNothing(wanted) ? [] : [{ ...pair, found: undefined }];
	if (Array.isArray(wanted) && Array.isArray(found))
		return findInLists(pair, wanted, found);
	if (isFields(wanted) && isFields(found))
		return Object.entries(wanted).flatMap(([key, value]) =>
			findDifferences({
				path: [...pair.path, key],
				declaredPath: [...pair.declaredPath, key],
				wanted: value,
				found: found[key],
			}),
		);
	return isSame(wanted, found) ? [] : [pair];
}

/** What the server leaves out of an object, because it means the same as nothing (Go's `omitempty`). */
const isNothing = (value: unknown): boolean =>
	value === undefined ||
	value === null ||
	value === "" ||
	value === false ||
	value === 0 ||
	(Array.isArray(value) && value.length === 0) ||
	(isFields(value) && Object.values(value).every(isNothing));

function findInLists(
	pair: Pair,
	wanted: readonly unknown[],
	found: readonly unknown[],
): Difference[] {
	const keyOf = findKey(pair.path.at(-1), wanted, found);
	if (keyOf === undefined) {
		// One value to the server ("atomic"): a piece more is another value.
		if (wanted.length !== found.length) return [pair];
		return wanted.flatMap((item, at) =>
			findDifferences({
				path: [...pair.path, at],
				declaredPath: [...pair.declaredPath, at],
				wanted: item,
				found: found[at],
			}),
		);
	}
	const places = new Map(found.map((item, at) => [keyOf(item), at]));
	return wanted.flatMap((item, at) => {
		const place = places.get(keyOf(item));
		return findDifferences({
			path: [...pair.path, place ?? `${keyOf(item)}`],
			declaredPath: [...pair.declaredPath, at],
			wanted: item,
			found: place === undefined ? undefined : found[place],
		});
	});
}

type KeyOf = (item: unknown) => string | undefined;

/** The keys by which the API server merges lists, where the name is not the key (`x-kubernetes-list-map-keys` of its schema). */
const keyOfList: Readonly<Record<string, readonly string[]>> = {
	volumeMounts: ["mountPath"],
	ports: ["containerPort", "port", "protocol"],
	topologySpreadConstraints: ["topologyKey", "whenUnsatisfiable"],
	hostAliases: ["ip"],
};

const protocol = "TCP";

/** How to find an item again in the other list; undefined where only its place tells. */
function findKey(
	list: string | number | undefined,
	...lists: readonly (readonly unknown[])[]
): KeyOf | undefined {
	const names = keyOfList[String(list)] ?? ["name"];
	const keyOf: KeyOf = (item) => {
		if (!isFields(item)) return undefined;
		const parts = names.map(
			(name) => item[name] ?? (name === "protocol" ? protocol : ""),
		);
		const isKeyed = names.some((name) => item[name] !== undefined);
		return isKeyed ? parts.join(" ") : undefined;
	};
	const isUnique = lists.every((items) => {
		const keys = items.map(keyOf);
		return !keys.includes(undefined) && new Set(keys).size === items.length;
	});
	return isUnique ? keyOf : undefined;
}

/** Numbers may be written as text, and quantities in several ways ("0.5" and "500m"). */
function isSame(wanted: unknown, found: unknown): boolean {
	if (String(wanted) === String(found))
		return !isFields(wanted) && !Array.isArray(wanted);
	const [a, b] = [parseQuantity(wanted), parseQuantity(found)];
	return a !== undefined && a === b;
}

const factors: Readonly<Record<string, number>> = {
	"": 1,
	m: 1e-3,
	k: 1e3,
	M: 1e6,
	G: 1e9,
	T: 1e12,
	Ki: 2 ** 10,
	Mi: 2 ** 20,
	Gi: 2 ** 30,
	Ti: 2 ** 40,
};

function parseQuantity(value: unknown): number | undefined {
	const match = /^([0-9]+(?:\.[0-9]+)?)([A-Za-z]*)$/.exec(String(value));
	const factor = factors[match?.[2] ?? ""];
	if (match === null || factor === undefined) return undefined;
	return Number((Number(match[1]) * factor).toPrecision(12));
}
