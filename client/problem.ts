// What was refused, or could not be had.
import type { Problem as ProblemDocument } from "../src/contract/problem.ts";

/** A problem document (RFC 9457), thrown. `code` is stable. */
export class Problem extends Error {
	readonly status: number;
	readonly code: ProblemDocument["code"];
	readonly document: ProblemDocument;
	/** Retry-After, Allow, what is left of a rate limit, and so on. */
	readonly headers: Headers;

	constructor(document: ProblemDocument, headers = new Headers()) {
		super(document.detail);
		this.name = "Problem";
		this.status = document.status;
		this.code = document.code;
		this.document = document;
		this.headers = headers;
	}
}

/** Throws the problem of an answer; something in between may have answered, which speaks no JSON. */
export async function throwProblem(response: Response): Promise<never> {
	const type = response.headers.get("content-type") ?? "";
	if (type.startsWith("application/problem+json"))
		throw new Problem(
			(await response.json()) as ProblemDocument,
			response.headers,
		);
	await response.body?.cancel();
	throw new Error(
		`${response.url} was answered ${response.status}, and not by Impresario`,
	);
}
