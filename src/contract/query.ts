// The text of a URL's query becomes what the schema asks for, so that schemas state plain types.
import { z } from "zod";

/**
 * An object for the schema to parse. What cannot be read stays text, for the schema to refuse; what is given
 * more than once and may not be becomes a list, for the same reason.
 */
export function readQuery(
	schema: z.ZodObject,
	query: URLSearchParams,
): Record<string, unknown> {
	const names = new Set(query.keys());
	return Object.fromEntries(
		[...names].map((name) => {
			const texts = query.getAll(name);
			const expected = Object.hasOwn(schema.shape, name)
				? unwrap(schema.shape[name])
				: undefined;
			if (expected instanceof z.ZodArray)
				return [name, isJoined(expected) ? split(texts) : texts];
			const [text] = texts;
			return [
				name,
				texts.length === 1 && text !== undefined
					? readText(expected, text)
					: texts,
			];
		}),
	);
}

/** Whether it is a list in one text, as the declaration says in the words of OpenAPI. */
const isJoined = (list: z.ZodArray): boolean => list.meta()?.explode === false;

const split = (texts: readonly string[]): string[] =>
	texts.flatMap((text) => text.split(","));

function unwrap(schema: unknown): unknown {
	return schema instanceof z.ZodOptional || schema instanceof z.ZodDefault
		? unwrap(schema.unwrap())
		: schema;
}

function readText(expected: unknown, text: string): unknown {
	// Stricter than Number(): "", "0x10" and "1e3" are not what anyone means by a number in a URL.
	if (expected instanceof z.ZodNumber && /^-?\d{1,16}$/.test(text)) {
		return Number(text);
	}
	if (expected instanceof z.ZodBoolean && /^(true|false)$/.test(text)) {
		return text === "true";
	}
	return text;
}
