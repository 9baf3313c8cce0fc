// How a Failure looks over HTTP. The only place, beside the declarations, that knows status codes.
import type { Problem } from "../contract/problem.ts";
import { Failure, type FailureCode, recordFailure } from "../failure.ts";

interface Kind {
	readonly status: number;
	readonly title: string;
}

const kinds: Record<FailureCode, Kind> = {
	invalid_request: { status: 400, title: "The request is wrong" },
	unauthenticated: { status: 401, title: "Nobody is known by this token" },
	forbidden: { status: 403, title: "The caller may not do this" },
	not_found: { status: 404, title: "There is no such thing" },
	method_not_allowed: { status: 405, title: "That is not done here" },
	not_acceptable: { status: 406, title: "It is not had in that form" },
	request_timeout: { status: 408, title: "The request came too slowly" },
	conflict: { status: 409, title: "The state of things forbids it" },
	precondition_failed: { status: 412, title: "It has changed meanwhile" },
	precondition_required: { status: 428, title: "A precondition is missing" },
	payload_too_large: { status: 413, title: "The body is too large" },
	header_fields_too_large: {
		status: 431,
		title: "The headers are too large",
	},
	idempotency_key_missing: {
		status: 400,
		title: "An idempotency key is missing",
	},
	idempotency_key_reused: {
		status: 422,
		title: "The idempotency key belongs to another request",
	},
	idempotency_key_in_use: {
		status: 409,
		title: "The same request is being answered",
	},
	quota_exceeded: { status: 403, title: "A quota is used up" },
	rate_limited: { status: 429, title: "Too many requests" },
	unsupported_media_type: { status: 415, title: "The body is not JSON" },
	unavailable: { status: 503, title: "Something needed is away" },
	not_set_up: { status: 500, title: "The service is not set up" },
	timed_out: { status: 504, title: "It took too long" },
	engine_failed: { status: 502, title: "The engine failed" },
	workload_stuck: { status: 502, title: "A workload does not get ready" },
	verification_failed: { status: 502, title: "The verification failed" },
	backup_failed: { status: 502, title: "A backup or restore failed" },
	leftovers: { status: 502, title: "Something could not be deleted" },
	cancelled: { status: 409, title: "It was cancelled" },
	lease_lost: { status: 409, title: "Another worker took over" },
	internal: { status: 500, title: "The service made a mistake" },
};

export interface Place {
	/** The path that was asked for. */
	readonly instance: string;
	readonly requestId: string;
}

/** What may be told of any thrown value. */
export function presentProblem(error: unknown, place: Place): Problem {
	const { code, message, untouched, advice, retryable } = recordFailure(error);
	return {
		type: `https://impresario.dev/problems/${code}`,
		...kinds[code],
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
