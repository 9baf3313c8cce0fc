// What a handler answers becomes status, headers and body, held against what the declaration promises.
import type { Response } from "express";
import type { Endpoint } from "../contract/endpoint.ts";
import { findItem } from "../contract/page.ts";
import { type Checking, checkAnswer, checkItem } from "./checked.ts";

/** All of an answer that its request decides. A JSON value, so that it can be kept and sent again. */
export interface Composed {
	readonly status: number;
	readonly headers: Readonly<Record<string, string>>;
	/** Absent: the answer has no body. */
	readonly body?: unknown;
	/** The body's text, where that is what there is. */
	readonly text?: string;
}

/** A page whose items were checked one by one, and are texts already. */
export interface CheckedPage {
	readonly texts: readonly string[];
	readonly nextPageToken: string | null;
}

const isChecked = (answer: unknown): answer is CheckedPage =>
	typeof answer === "object" && answer !== null && "texts" in answer;

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
	if (isChecked(answer))
		return {
			status,
			headers: {},
			text: joinPage(checking, endpoint.response, answer),
		};
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
	const { items, nextPageToken } = answer as {
		readonly items: readonly unknown[];
		readonly nextPageToken: string | null;
	};
	const texts = items.map((one) => checkItem(checking, item, one));
	return { text: joinPage(checking, schema, { texts, nextPageToken }) };
}

function joinPage(
	checking: Checking,
	schema: NonNullable<Endpoint["response"]>,
	{ texts, nextPageToken }: CheckedPage,
): string {
	const frame = checkAnswer(checking, schema, { items: [], nextPageToken });
	return JSON.stringify(frame).replace(
		'"items":[]',
		() => `"items":[${texts.join(",")}]`,
	);
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
