// What a schema refuses, made of the schema itself: of each place in it the values that it says are wrong.
import { z } from "zod";
import { extendPointer } from "../../src/contract/parse.ts";

type Json = Readonly<Record<string, unknown>>;

export interface Negation {
	/** Why it is wrong, for the name of a case. */
	readonly what: string;
	/** Where. */
	readonly pointer: string;
	readonly body: unknown;
}

interface Place {
	readonly path: readonly string[];
	/** A body that is good as a whole, with this at the place. */
	put(value: unknown): unknown;
	/** What is there in the good body; undefined: nothing. */
	readonly value: unknown;
}

/** Every way in which a body can be wrong by its schema, each by itself, the rest being as in the good body. */
export const negate = (schema: z.ZodType, good: unknown): Negation[] =>
	negatePlace(z.toJSONSchema(schema, { io: "input" }) as Json, {
		path: [],
		put: (value) => value,
		value: good,
	});

const samples: Readonly<Record<string, readonly unknown[]>> = {
	null: [null],
	boolean: [true],
	integer: [7],
	number: [1.5],
	string: ["text"],
	array: [[]],
	object: [{}],
};

function negatePlace(schema: Json, place: Place): Negation[] {
	const options = listOptions(schema);
	const types = new Set(options.flatMap(listTypes));
	if (types.size === 0) return [];
	if (types.has("number")) types.add("integer");
	const wrongTypes = Object.entries(samples)
		.filter(([type]) => !types.has(type))
		.flatMap(([type, values]) =>
			values.map((value) => negation(place, `is ${type}`, value)),
		);
	const others = options.filter((option) => option.type !== "null");
	const [only] = others;
	// What is wrong for one of several may be right for another.
	if (others.length !== 1 || only === undefined) return wrongTypes;
	return [
		...wrongTypes,
		...negateValue(only).map(([what, value]) => negation(place, what, value)),
		...negateObject(only, place),
		...negateItems(only, place),
	];
}

const listOptions = (schema: Json): Json[] =>
	// Beside a type, `anyOf` says of the same value what else must hold.
	Array.isArray(schema.anyOf) && schema.type === undefined
		? (schema.anyOf as Json[]).flatMap(listOptions)
		: [schema];

function listTypes({ type, enum: values, const: value }: Json): string[] {
	if (Array.isArray(type)) return type as string[];
	if (typeof type === "string") return [type];
	const known = Array.isArray(values) ? values : [value];
	return known.flatMap((one) => (one === undefined ? [] : [typeof one]));
}

const negation = (place: Place, what: string, value: unknown): Negation => ({
	what,
	pointer: place.path.reduce(extendPointer, ""),
	body: place.put(value),
});

/** Texts of which a pattern or a format refuses at least one. */
const oddTexts = ["!", "", "\u0001", " a b ", "Ä", "x".repeat(3_000)];

/** Values of the right type, out of what is allowed. */
function negateValue(schema: Json): [string, unknown][] {
	const found: [string, unknown][] = [];
	const { minLength, maxLength, pattern, format, minimum, maximum } = schema;
	if (Array.isArray(schema.enum) || schema.const !== undefined)
		found.push(["is no choice", "no-such-choice"]);
	if (typeof minLength === "number" && minLength > 0)
		found.push(["is too short", "a".repeat(minLength - 1)]);
	if (typeof maxLength === "number")
		found.push(["is too long", "a".repeat(maxLength + 1)]);
	if (typeof pattern === "string") {
		const odd = oddTexts.find((text) => !new RegExp(pattern, "u").test(text));
		if (odd !== undefined) found.push(["does not match", odd]);
	}
	if (typeof format === "string" && pattern === undefined)
		found.push([`is no ${format}`, "!"]);
	if (typeof minimum === "number") found.push(["is too small", minimum - 1]);
	if (typeof maximum === "number" && maximum < Number.MAX_SAFE_INTEGER)
		found.push(["is too large", maximum + 1]);
	return found;
}

function negateObject(schema: Json, place: Place): Negation[] {
	if (schema.type !== "object") return [];
	const properties = (schema.properties ?? {}) as Readonly<
		Record<string, Json>
	>;
	const { additionalProperties: other, propertyNames } = schema;
	const value = isObject(place.value) ? place.value : {};
	const at = (key: string): Place => ({
		path: [...place.path, key],
		put: (wrong) => place.put({ ...value, [key]: wrong }),
		value: value[key],
	});
	const missing = ((schema.required ?? []) as string[]).map((key) => {
		const { [key]: _, ...rest } = value;
		return {
			...negation(at(key), "is missing", undefined),
			body: place.put(rest),
		};
	});
	return [
		...missing,
		...negateCounts(schema, place),
		...(other === false ? [negation(at("nonsense"), "is unknown", 1)] : []),
		...negateKeys(propertyNames as Json | undefined, at),
		...Object.entries(properties).flatMap(([key, property]) =>
			negatePlace(property, at(key)),
		),
		...(isObject(other)
			? negatePlace(other, at(chooseKey(value, propertyNames as Json)))
			: []),
	];
}

function negateCounts(schema: Json, place: Place): Negation[] {
	const { minProperties, maxProperties, additionalProperties } = schema;
	const many =
		typeof maxProperties === "number" && isObject(additionalProperties)
			? Array.from({ length: maxProperties + 1 }, (_, i) => [`k${i}`, "v"])
			: [];
	return [
		...(typeof minProperties === "number"
			? [negation(place, "is empty", {})]
			: []),
		...(many.length > 0
			? [negation(place, "has too many", Object.fromEntries(many))]
			: []),
	];
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
	typeof value === "object" && value !== null && !Array.isArray(value);

function chooseKey(value: object, names: Json | undefined): string {
	const known = (names?.enum ?? []) as string[];
	return Object.keys(value)[0] ?? known[0] ?? "a";
}

function negateKeys(
	names: Json | undefined,
	at: (key: string) => Place,
): Negation[] {
	if (names === undefined) return [];
	const [odd] = negateValue(names).filter(([, text]) => text !== "");
	return odd === undefined
		? []
		: [negation(at(String(odd[1])), "is a name that is wrong", "a")];
}

function negateItems(schema: Json, place: Place): Negation[] {
	if (schema.type !== "array") return [];
	const { minItems, maxItems, uniqueItems, items } = schema;
	const value: readonly unknown[] = Array.isArray(place.value)
		? place.value
		: [];
	const [first] = value;
	return [
		...(typeof minItems === "number"
			? [negation(place, "has too few", value.slice(0, minItems - 1))]
			: []),
		...(typeof maxItems === "number"
			? [
					negation(
						place,
						"has too many",
						Array.from({ length: maxItems + 1 }, () => first ?? "a"),
					),
				]
			: []),
		...(uniqueItems === true && first !== undefined
			? [negation(place, "repeats itself", [first, first])]
			: []),
		...(isObject(items)
			? negatePlace(items, {
					path: [...place.path, "0"],
					put: (wrong) => place.put([wrong, ...value.slice(1)]),
					value: first,
				})
			: []),
	];
}
