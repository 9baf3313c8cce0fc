// What was sent becomes what the declaration asks for, or a Failure that names every wrong place at once, up to a hundred.
//
// Places are JSON Pointers (RFC 6901). `/name` is a place in the body; what is not in the body is below
// `/path`, `/query` or `/header`: `/query/pageSize`. No body of ours has a field of one of those names.
import { z } from "zod";
import { Failure, type FieldError } from "../failure.ts";
import type { Endpoint, Input } from "./endpoint.ts";
import { readQuery } from "./query.ts";

/** Where nothing is declared nothing may be sent: a mistyped `?force=true` must not be ignored. */
const noQuery = z.strictObject({});

export interface Raw {
	readonly params: Readonly<Record<string, unknown>>;
	readonly query: URLSearchParams;
	/** The JSON value; undefined if there was no body. */
	readonly body: unknown;
}

/** Throws `invalid_request` with one entry for each wrong place. */
export function parseInput<E extends Endpoint>(
	endpoint: E,
	raw: Raw,
): Input<E> {
	const errors: FieldError[] = [];
	const read = (schema: z.ZodType | undefined, value: unknown, at: string) => {
		if (schema === undefined) return undefined;
		const result = parseValue(schema, value, at);
		if (!result.success) errors.push(...result.errors);
		return result.success ? result.value : undefined;
	};
	const query = endpoint.query ?? noQuery;
	const input = {
		params: read(endpoint.params, raw.params, "/path"),
		query: read(query, readQuery(query, raw.query), "/query"),
		body: read(endpoint.body, raw.body, ""),
	};
	if (errors.length > 0) throw refuseInput(errors);
	return input as Input<E>;
}

/** So many are told: nobody corrects more at once, and an answer must not outgrow the request that it is for. */
const mostErrors = 100;

/** A request that is wrong in these places. */
export function refuseInput(errors: readonly FieldError[]): Failure {
	const [first] = errors;
	const place = first?.pointer || "the body";
	return new Failure({
		code: "invalid_request",
		message:
			errors.length === 1
				? `${place} ${first?.message}.`
				: `${errors.length} places of the request are wrong; the first: ${place} ${first?.message}.`,
		untouched: "Nothing was changed.",
		advice: "Correct what `errors` points at and send the request again.",
		errors: errors.slice(0, mostErrors),
	});
}

type Result =
	| { readonly success: true; readonly value: unknown }
	| { readonly success: false; readonly errors: readonly FieldError[] };

function parseValue(schema: z.ZodType, value: unknown, at: string): Result {
	const parsed = schema.safeParse(value, { error: describeIssue });
	const errors = parsed.success
		? listUnstorable(value, at)
		: parsed.error.issues.flatMap((issue) => locateIssue(issue, at));
	if (errors.length > 0) return { success: false, errors };
	return { success: true, value: parsed.data };
}

/** A place below another (RFC 6901 §3). */
export const extendPointer = (at: string, key: PropertyKey): string =>
	`${at}/${String(key).replaceAll("~", "~0").replaceAll("/", "~1")}`;

function locateIssue(issue: z.core.$ZodIssue, at: string): FieldError[] {
	const pointer = issue.path.reduce(extendPointer, at);
	if (issue.code === "unrecognized_keys") {
		return issue.keys.map((key) => ({
			pointer: extendPointer(pointer, key),
			message: issue.message,
		}));
	}
	const { message } =
		issue.code === "invalid_key" ? (issue.issues[0] ?? issue) : issue;
	return [{ pointer, message }];
}

/** Completes "/name …". Where a schema has a message of its own, that one is taken. */
function describeIssue(issue: z.core.$ZodRawIssue): string | undefined {
	switch (issue.code) {
		case "invalid_type":
			return describeType(issue.expected, issue.input);
		case "invalid_value":
			return `must be one of: ${issue.values.join(", ")}`;
		case "unrecognized_keys":
			return "is not a known field";
		case "too_small":
			return `must be at least ${issue.minimum}${unit(issue.origin)}`;
		case "too_big":
			return `must be at most ${issue.maximum}${unit(issue.origin)}`;
		case "invalid_format":
			return issue.format === "datetime"
				? "must be a time such as 2026-12-31T23:59:59Z (RFC 3339)"
				: undefined;
		default:
			return undefined;
	}
}

const unit = (origin: string) =>
	origin === "string" ? " characters long" : "";

const typeNames: Readonly<Record<string, string>> = {
	int: "a whole number",
	number: "a number",
	string: "a text",
	boolean: "true or false",
	array: "a list",
	object: "an object",
	record: "an object",
};

function describeType(expected: string, input: unknown): string {
	if (input === undefined) return "is required";
	const name = typeNames[expected] ?? expected;
	return Array.isArray(input)
		? `must be ${name}, not a list`
		: `must be ${name}`;
}

/** PostgreSQL keeps neither the character U+0000 (its manual, §8.3) nor half of a pair of surrogates; JSON allows both. */
function explainUnstorable(text: string): string | undefined {
	if (text.includes("\0")) return "must not contain the character U+0000";
	if (!text.isWellFormed()) return "must not contain a lone surrogate";
	return undefined;
}

/** Names too, where they are free; and the one that schemas leave out without a word. */
function listUnstorable(value: unknown, at: string): FieldError[] {
	if (typeof value === "string") {
		const message = explainUnstorable(value);
		return message === undefined ? [] : [{ pointer: at, message }];
	}
	if (typeof value !== "object" || value === null) return [];
	return Object.entries(value).flatMap(([key, part]) => {
		const pointer = extendPointer(at, key);
		const message =
			key === "__proto__" ? "is not a possible name" : explainUnstorable(key);
		return message === undefined
			? listUnstorable(part, pointer)
			: [{ pointer, message }];
	});
}
