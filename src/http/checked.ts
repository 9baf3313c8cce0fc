// Items of lists that were held against their schema. Whether a text keeps its promise never changes, so the same text is
// not held against the same schema again: that was the dearest part of a page.
import type { Endpoint } from "../contract/endpoint.ts";

type Schema = Pick<NonNullable<Endpoint["response"]>, "safeParse">;

/** Of all texts together; then the oldest of them are forgotten with the newest. */
const mostCharacters = 4_000_000;

let characters = 0;
let remembered = new WeakMap<Schema, Map<string, string>>();

/** The item as it is sent: as its schema has it, with its defaults. */
export function checkItem(
	schema: Schema,
	item: unknown,
	check: (schema: Schema, item: unknown) => unknown,
): string {
	const text = JSON.stringify(item);
	const known = remembered.get(schema)?.get(text);
	if (known !== undefined) return known;
	const checked = JSON.stringify(check(schema, item));
	characters += text.length;
	if (characters > mostCharacters) {
		remembered = new WeakMap();
		characters = text.length;
	}
	const texts = remembered.get(schema) ?? new Map<string, string>();
	// Kept once where it is the same, as it nearly always is.
	texts.set(text, checked === text ? text : checked);
	remembered.set(schema, texts);
	return checked;
}
