// How a Failure looks over HTTP.
import type { Problem } from "../contract/problem.ts";
import { problemKinds } from "../contract/problems.ts";
import { Failure, recordFailure } from "../failure.ts";

export interface Place {
	/** The path that was asked for. */
	readonly instance: string;
	readonly requestId: string;
	/** Where the service is reached from outside, if that is known. */
	readonly publicUrl: string | undefined;
}

/** What may be told of any thrown value. */
export function presentProblem(error: unknown, place: Place): Problem {
	const { code, message, untouched, advice, retryable } = recordFailure(error);
	const { status, title } = problemKinds[code];
	return {
		// Relative where the service does not know its own address: a caller's Host header must not name the type.
		type: `${place.publicUrl ?? ""}/problems/${code}`,
		title,
		status,
		detail: message,
		instance: place.instance,
		code,
		retryable,
		errors: error instanceof Failure ? [...error.errors] : [],
		requestId: place.requestId,
		...(untouched !== undefined && { untouched }),
		...(advice !== undefined && { advice }),
	};
}
