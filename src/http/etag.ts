// Entity tags (RFC 9110 §8.8.3) of single things, and what requests make depend on them. A tag is strong: it is made of
// the whole representation, and two that differ in a byte have different ones.
import { createHash } from "node:crypto";
import type { Request, Response } from "express";
import type { Endpoint } from "../contract/endpoint.ts";
import { refuseInput } from "../contract/parse.ts";
import { showsOne } from "../contract/request-headers.ts";
import { Failure } from "../failure.ts";

/** The tags that a header names; "*": any. */
export type Tags = readonly string[] | "*";

const digest = (value: unknown, length: number): string =>
	createHash("sha256")
		.update(JSON.stringify(value))
		.digest("base64url")
		.slice(0, length);

/** Of a representation as it is sent. What follows the hyphen is of all of it, what is before of how far it has come. */
export function makeTag(
	{ progress }: Pick<Endpoint, "progress">,
	representation: unknown,
): string {
	const whole = digest(representation, 32);
	return progress === undefined
		? `"${whole}"`
		: `"${digestProgress(progress, representation)}-${whole}"`;
}

function digestProgress(
	fields: readonly string[],
	representation: unknown,
): string {
	const all = representation as Readonly<Record<string, unknown>>;
	return digest(
		fields.map((field) => all[field]),
		16,
	);
}

/** Whether one of the tags is of a representation that had come as far as this one. */
export const knowsProgress = (
	tags: Tags | undefined,
	{ progress = [] }: Pick<Endpoint, "progress">,
	representation: unknown,
): boolean =>
	tags === "*" ||
	(tags ?? []).some((tag) =>
		tag
			.replace(/^W\//, "")
			.startsWith(`"${digestProgress(progress, representation)}-`),
	);

/** Throws `invalid_request` for what is no list of entity tags. */
export function readTags(
	request: Request,
	header: "if-match" | "if-none-match",
): Tags | undefined {
	const text = request.get(header)?.trim();
	if (text === undefined) return undefined;
	if (text === "*") return "*";
	const tag = String.raw`(?:W/)?"[!#-~\x80-\xff]*"`;
	// Elements of the list may be empty (RFC 9110 §5.6.1.2).
	const list = String.raw`^[ \t,]*${tag}(?:[ \t]*,[ \t,]*${tag})*[ \t,]*$`;
	if (new RegExp(list).test(text))
		return text.match(new RegExp(tag, "g")) ?? [];
	throw refuseInput([
		{
			pointer: `/header/${header}`,
			message: 'must be an ETag as it was answered, with its quotes, or "*"',
		},
	]);
}

/**
 * The tags that the request wants the thing to have, for the handler to hold it against. Throws `precondition_required`
 * where it has to say so and does not.
 */
export function readMatch(
	{ ifMatch }: Endpoint,
	request: Request,
): Tags | undefined {
	if (ifMatch === undefined) return undefined;
	const tags = readTags(request, "if-match");
	if (tags !== undefined || ifMatch === "taken") return tags;
	throw new Failure({
		code: "precondition_required",
		message: "A change needs the header If-Match.",
		untouched: "Nothing was changed.",
		advice:
			'Read the thing, and send its ETag in If-Match; "*" stands for whatever it is.',
		errors: [{ pointer: "/header/if-match", message: "is required" }],
	});
}

/**
 * Throws `precondition_failed` unless the representation has one of the tags. Weak ones match nothing, and where there is no
 * representation any more nothing does (RFC 9110 §13.1.1).
 */
export function requireMatch(
	tags: Tags,
	endpoint: Endpoint,
	representation: unknown,
): void {
	const isThere = representation !== undefined;
	const isMatched = () => tags.includes(makeTag(endpoint, representation));
	if (isThere && (tags === "*" || isMatched())) return;
	throw new Failure({
		code: "precondition_failed",
		message: "It is not any more as it was when you read it.",
		untouched: "Nothing was changed.",
		advice:
			"Read it again, see whether you still want this, and send its new ETag.",
		errors: [
			{ pointer: "/header/if-match", message: "is not its present ETag" },
		],
	});
}

/** Tells the tag of what is shown. Returns whether the caller knows it already, and need not be told again. */
export function tagAnswer(
	endpoint: Endpoint,
	request: Request,
	response: Response,
	representation: unknown,
): boolean {
	if (!showsOne(endpoint)) return false;
	const tag = makeTag(endpoint, representation);
	response.set("ETag", tag);
	if (endpoint.method !== "GET") return false;
	const known = readTags(request, "if-none-match") ?? [];
	return known === "*" || known.some((one) => one.replace(/^W\//, "") === tag);
}

/** With `If-None-Match: *` it is no conflict that there is such a thing, but what the caller has asked not to touch. */
export function refuseExisting(request: Request, error: unknown): unknown {
	const isTaken =
		error instanceof Failure &&
		error.code === "conflict" &&
		error.errors.some(({ message }) => message === "is taken");
	if (!isTaken || request.get("if-none-match")?.trim() !== "*") return error;
	const { message, untouched, advice, errors } = error;
	return new Failure({
		code: "precondition_failed",
		message,
		errors,
		...(untouched !== undefined && { untouched }),
		...(advice !== undefined && { advice }),
	});
}
