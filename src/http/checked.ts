// Answers are held against their schemas before they are sent. What an item of a list is made of tells what its text is:
// while that is the same, it is neither held against its schema again nor, where its source is known without it, made again.
// That was the dearest part of a page.
import type { Endpoint } from "../contract/endpoint.ts";

export type Schema = Pick<NonNullable<Endpoint["response"]>, "safeParse">;

export interface Checking {
	/** Whether answers are held against their schemas before they are sent. */
	readonly checkAnswers: boolean;
}

/** Of all texts together; then the oldest of them are forgotten with the newest. */
const mostCharacters = 4_000_000;

let characters = 0;
let remembered = new WeakMap<Schema, Map<string, string>>();

/** The text of the item that is made of this. */
export const recallItem = (schema: Schema, source: string) =>
	remembered.get(schema)?.get(source);

/** The item as it is sent: as its schema has it, with its defaults. `source` is all that it is made of. */
export function checkItem(
	checking: Checking,
	schema: Schema,
	item: unknown,
	source = JSON.stringify(item),
): string {
	const known = recallItem(schema, source);
	if (known !== undefined) return known;
	const text = JSON.stringify(checkAnswer(checking, schema, item));
	characters += source.length + text.length;
	if (characters > mostCharacters) {
		remembered = new WeakMap();
		characters = source.length + text.length;
	}
	const texts = remembered.get(schema) ?? new Map<string, string>();
	// Kept once where it is the same, as it nearly always is where the source is the item itself.
	texts.set(source, text === source ? source : text);
	remembered.set(schema, texts);
	return text;
}

/**
 * The answer as its schema has it, with its defaults. One that breaks its promise is our bug. It is not sent: what is too
 * much in it might be a secret.
 */
export function checkAnswer(
	{ checkAnswers }: Checking,
	schema: Schema,
	answer: unknown,
): unknown {
	if (!checkAnswers) return answer;
	const result = schema.safeParse(answer);
	if (result.success) return result.data;
	throw new Error("an answer does not match its schema", {
		cause: result.error,
	});
}
