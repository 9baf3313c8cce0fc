// Reads a request's body as JSON, once the caller is known. Bounded in size; in time by the server.
import type { IncomingMessage } from "node:http";
import { refuseInput } from "../contract/parse.ts";
import { Failure } from "../failure.ts";
import { locateSyntaxError } from "./json-syntax.ts";

export const bodyLimitBytes = 256 * 1024;

/**
 * Throws `unsupported_media_type`, `payload_too_large`, or `invalid_request` for what is empty, cut off or no
 * JSON.
 */
export async function readBody(request: IncomingMessage): Promise<unknown> {
	const { headers } = request;
	const isThere =
		headers["transfer-encoding"] !== undefined ||
		Number(headers["content-length"] ?? 0) > 0;
	if (!isThere) throw refuseEmpty();
	checkMediaType(headers["content-type"], headers["content-encoding"]);
	if (Number(headers["content-length"] ?? 0) > bodyLimitBytes) {
		throw refuseSize();
	}
	const bytes = await collect(request);
	if (bytes.length === 0) throw refuseEmpty();
	return parseJson(bytes);
}

function checkMediaType(
	type: string | undefined,
	encoding: string | undefined,
): void {
	const isJson =
		/^\s*application\/json\s*(;\s*charset\s*=\s*"?utf-8"?\s*)?;?\s*$/i.test(
			type ?? "",
		);
	if (isJson && (encoding === undefined || encoding === "identity")) return;
	throw new Failure({
		code: "unsupported_media_type",
		message: isJson
			? `The body is encoded (${encoding}).`
			: "The body is not declared as JSON in UTF-8.",
		untouched: "Nothing was changed.",
		advice: 'Send plain JSON with "Content-Type: application/json".',
		errors: [
			{
				pointer: isJson ? "/header/content-encoding" : "/header/content-type",
				message: isJson ? "must be absent" : "must be application/json",
			},
		],
	});
}

async function collect(request: IncomingMessage): Promise<Buffer> {
	const chunks: Buffer[] = [];
	let length = 0;
	try {
		// Left early, the iterator would destroy the connection, and the caller would not learn why.
		for await (const chunk of request.iterator({ destroyOnReturn: false })) {
			length += chunk.length;
			if (length > bodyLimitBytes) throw refuseSize();
			chunks.push(chunk);
		}
	} catch (error) {
		// What still comes is thrown away as it arrives.
		request.resume();
		if (error instanceof Failure) throw error;
		throw new Failure({
			code: "invalid_request",
			message: "The connection broke before the body was complete.",
			untouched: "Nothing was changed.",
			cause: error,
		});
	}
	return Buffer.concat(chunks, length);
}

function refuseSize(): Failure {
	return new Failure({
		code: "payload_too_large",
		message: `The body is larger than ${bodyLimitBytes} bytes.`,
		untouched: "Nothing was changed.",
		advice: "Send less; no request of this API needs that much.",
		errors: [{ pointer: "", message: `exceeds ${bodyLimitBytes} bytes` }],
	});
}

const refuseEmpty = () =>
	refuseInput([
		{ pointer: "", message: "is empty; a JSON object is required" },
	]);

function parseJson(bytes: Buffer): unknown {
	let text: string;
	try {
		text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
	} catch {
		throw refuseInput([{ pointer: "", message: "is not UTF-8" }]);
	}
	try {
		return JSON.parse(text);
	} catch {
		const place = locateSyntaxError(text);
		throw refuseInput([
			{
				pointer: "",
				message: place
					? `is not JSON: at line ${place.line}, column ${place.column}, ${place.expected} was expected`
					: "is not JSON",
			},
		]);
	}
}
