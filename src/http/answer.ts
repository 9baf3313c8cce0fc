// What a handler answers becomes status, headers and body, held against what the declaration promises.
import type { Response } from "express";
import type { Endpoint } from "../contract/endpoint.ts";
import { findItem } from "../contract/page.ts";
import { checkItem } from "./checked.ts";

/** All of an answer that its request decides. A JSON value, so that it can be kept and sent again. */
export interface Composed {
	readonly status: number;
	readonly headers: Readonly<Record<string, string>>;
	/** Absent: the answer has no body. */
	readonly body?: unknown;
	/** The body's text, where that is what there is. */
	readonly text?: string;
}

interface Checking {
	/** Whether answers are held against their schemas before they are sent. */
	readonly checkAnswers: boolean;
}

const isNothing = (answer: unknown): answer is { readonly unneeded: unknown } =>
	typeof answer === "object" && answer !== null && "unneeded" in answer;

const isPartly = (answer: unknown): answer is { readonly parts: unknown } =>
	typeof answer === "object" && answer !== null && "parts" in answer;

export function composeAnswer(
	checking: Checking,
	endpoint: Endpoint,
	answer: unknown,
): Composed {
	if (endpoint.unneeded !== undefined && isNothing(answer)) {
		const nothing = checkAnswer(checking, endpoint.unneeded, answer.unneeded);
		return { status: 200, headers: {}, body: nothing };
	}
	const { status } = endpoint;
	if (endpoint.response === null) return { status, headers: {} };
	if (endpoint.parts !== undefined && isPartly(answer))
		return {
			status,
			headers: {},
			...composePage(checking, endpoint.parts, answer.parts),
		};
	if (findItem(endpoint.response) !== undefined)
		return {
			status,
			headers: {},
			...composePage(checking, endpoint.response, answer),
		};
	const body = checkAnswer(checking, endpoint.response, answer);
	const headers = endpoint.orders ? pointToOperation(answer) : {};
	return { status, headers, body };
}

/** A page is held against its schema item by item. */
function composePage(
	checking: Checking,
	schema: NonNullable<Endpoint["response"]>,
	answer: unknown,
): Pick<Composed, "body" | "text"> {
	const item = findItem(schema);
	if (!checking.checkAnswers || item === undefined)
		return { body: checkAnswer(checking, schema, answer) };
	const { items, ...rest } = answer as { readonly items: readonly unknown[] };
	const frame = JSON.stringify(
		checkAnswer(checking, schema, { ...rest, items: [] }),
	);
	const check = (part: Checked, one: unknown) =>
		checkAnswer(checking, part, one);
	const texts = items.map((one) => checkItem(item, one, check));
	return {
		text: frame.replace('"items":[]', () => `"items":[${texts.join(",")}]`),
	};
}

function pointToOperation(answer: unknown): Record<string, string> {
	const { id } = answer as { readonly id: string };
	const location = `/v1/operations/${id}`;
	return {
		Location: location,
		"Operation-Location": location,
		"Retry-After": "1",
	};
}

export function sendAnswer(
	response: Response,
	{ status, headers, body, text }: Composed,
): void {
	response.status(status).set(headers);
	if (text !== undefined) response.type("json").send(text);
	else if (body === undefined) response.end();
	else response.json(body);
}

type Checked = Pick<NonNullable<Endpoint["response"]>, "safeParse">;

/**
 * The answer as its schema has it, with its defaults. One that breaks its promise is our bug. It is not sent: what is too
 * much in it might be a secret.
 */
export function checkAnswer(
	{ checkAnswers }: Checking,
	schema: Checked,
	answer: unknown,
): unknown {
	if (!checkAnswers) return answer;
	const result = schema.safeParse(answer);
	if (result.success) return result.data;
	throw new Error("an answer does not match its schema", {
		cause: result.error,
	});
}
