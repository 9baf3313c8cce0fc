// The one error type of the service. A Failure is shown to its reader; anything else that is thrown is
// our own bug: logged whole, and shown as "internal".

/**
 * Why something could not be done. Each edge (HTTP, command line, engine) maps these codes once, in an
 * exhaustive table of its own.
 */
export const failureCodes = [
	"invalid_request",
	"unauthenticated",
	"forbidden",
	"not_found",
	"method_not_allowed",
	"not_acceptable",
	"request_timeout",
	"conflict",
	"precondition_failed",
	"precondition_required",
	"payload_too_large",
	"header_fields_too_large",
	"unsupported_media_type",
	"idempotency_key_missing",
	"idempotency_key_reused",
	"idempotency_key_in_use",
	"quota_exceeded",
	"rate_limited",
	"unavailable",
	"not_set_up",
	"timed_out",
	"engine_failed",
	"workload_stuck",
	"verification_failed",
	"backup_failed",
	"leftovers",
	"cancelled",
	"lease_lost",
	"internal",
] as const;

export type FailureCode = (typeof failureCodes)[number];

/** One wrong place in an input: `pointer` is an RFC 6901 JSON Pointer into what was sent. */
export interface FieldError {
	readonly pointer: string;
	readonly message: string;
}

export interface FailureDetails {
	readonly code: FailureCode;
	/** What is wrong and where, as a sentence. */
	readonly message: string;
	/** What was left as it was. */
	readonly untouched?: string;
	/** What the reader does next. */
	readonly advice?: string;
	/** Whether the very same attempt may succeed later. */
	readonly retryable?: boolean;
	readonly errors?: readonly FieldError[];
	readonly cause?: unknown;
}

export class Failure extends Error {
	readonly code: FailureCode;
	readonly untouched: string | undefined;
	readonly advice: string | undefined;
	readonly retryable: boolean;
	readonly errors: readonly FieldError[];

	constructor(details: FailureDetails) {
		super(
			details.message,
			details.cause === undefined ? undefined : { cause: details.cause },
		);
		this.name = "Failure";
		this.code = details.code;
		this.untouched = details.untouched;
		this.advice = details.advice;
		this.retryable = details.retryable ?? false;
		this.errors = details.errors ?? [];
	}
}

/** The part of a Failure that is kept in a row and shown to callers: no stack, no cause. */
export interface FailureRecord {
	readonly code: FailureCode;
	readonly message: string;
	readonly untouched?: string;
	readonly advice?: string;
	readonly retryable: boolean;
}

/** What may be told of any thrown value. Whatever is not a Failure may hold secrets, so it tells nothing of itself. */
export function recordFailure(error: unknown): FailureRecord {
	if (!(error instanceof Failure)) {
		return {
			code: "internal",
			message: "The service made a mistake. It is in its log.",
			retryable: false,
		};
	}
	return {
		code: error.code,
		message: error.message,
		...(error.untouched === undefined ? {} : { untouched: error.untouched }),
		...(error.advice === undefined ? {} : { advice: error.advice }),
		retryable: error.retryable,
	};
}
