// What may go wrong between us and AWS, as Failures.
import { Failure } from "../failure.ts";

const refusals =
	/AccessDenied|InvalidClientTokenId|SignatureDoesNotMatch|InvalidAccessKeyId|ExpiredToken|Forbidden/;

/** AWS's own words name the right that is missing; they hold no secret. */
export function explain(error: unknown, signal: AbortSignal): Failure {
	if (signal.aborted) {
		return new Failure({
			code: "cancelled",
			message: "The requests to AWS were cancelled.",
		});
	}
	const name = error instanceof Error ? error.name : "unknown error";
	const words = error instanceof Error ? error.message : "";
	if (refusals.test(name)) {
		return new Failure({
			code: "not_set_up",
			message: `AWS refuses the target's account: ${name}. ${words}`,
			untouched: "Nothing more was changed.",
			advice:
				"Give the account of the target the right that is named, or renew its key.",
			cause: error,
		});
	}
	return new Failure({
		code: "unavailable",
		message: `AWS did not answer as expected: ${name}. ${words}`,
		untouched: "What was made before stays as it is.",
		advice: "It is tried again.",
		retryable: true,
		cause: error,
	});
}

/** Whether AWS says by this error that something is not there. */
export const isMissing = (error: unknown): boolean =>
	error instanceof Error &&
	/^(NoSuchEntity|NoSuchBucket|NotFound|NoSuchTagSet)/.test(error.name);
