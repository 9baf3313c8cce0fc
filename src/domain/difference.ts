// What differs between two declarations of an object, place by place, for a reader.
import type { PlannedChange } from "./plan.ts";

export const secretMark = "[secret]";

/**
 * The places in which two values differ, in the order of the newer one. Lists of things with names, such as containers
 * and their variables, are compared by name: what moved within the list did not change.
 */
export function findDifferences(
	before: unknown,
	after: unknown,
	path = "",
): PlannedChange[] {
	if (Object.is(before, after)) return [];
	const [was, is] = [entriesOf(before), entriesOf(after)];
	if (was === undefined || is === undefined || was.form !== is.form) {
		return [{ path, before: before ?? null, after: after ?? null }];
	}
	const keys = new Set([...is.entries.keys(), ...was.entries.keys()]);
	return [...keys].flatMap((key) =>
		findDifferences(
			was.entries.get(key),
			is.entries.get(key),
			join(path, key, is.form),
		),
	);
}

type Form = "object" | "list" | "names";

/** The parts of a value by name or place; undefined for one that has no parts. */
function entriesOf(
	value: unknown,
):
	| { readonly form: Form; readonly entries: ReadonlyMap<string, unknown> }
	| undefined {
	if (typeof value !== "object" || value === null) return undefined;
	if (!Array.isArray(value)) {
		return { form: "object", entries: new Map(Object.entries(value)) };
	}
	const names = value.map(nameOf);
	const isNamed =
		!names.includes(undefined) && new Set(names).size === names.length;
	return {
		form: isNamed && value.length > 0 ? "names" : "list",
		entries: new Map(
			value.map((one, index) => [
				(isNamed ? names[index] : undefined) ?? String(index),
				one,
			]),
		),
	};
}

function nameOf(value: unknown): string | undefined {
	const name =
		typeof value === "object" && value !== null && "name" in value
			? value.name
			: undefined;
	return typeof name === "string" ? name : undefined;
}

function join(path: string, key: string, form: Form): string {
	if (form !== "object") return `${path}[${key}]`;
	const isPlain = /^[\w-]+$/.test(key);
	if (!isPlain) return `${path}["${key}"]`;
	return path === "" ? key : `${path}.${key}`;
}
