// The catalogue of problems: of each code its status, and what its page tells. Codes are stable; a client goes by them.
import type { FailureCode } from "../failure.ts";

export interface ProblemKind {
	readonly status: number;
	/** The same for every problem of this code. */
	readonly title: string;
	readonly happened: string;
	readonly untouched: string;
	readonly advice: string;
}

const nothing = "Nothing was changed.";
const operation =
	"The operation has ended, and its environment says what is there now. Nothing else was changed.";

export const problemKinds: Readonly<Record<FailureCode, ProblemKind>> = {
	invalid_request: {
		status: 400,
		title: "The request is wrong",
		happened:
			"Path, query, headers or body do not say what this endpoint takes. `errors` names every wrong place as a JSON Pointer: `/name` is in the body; what is not in the body is below `/path`, `/query` or `/header`.",
		untouched: nothing,
		advice: "Correct what `errors` points at and send the request again.",
	},
	unauthenticated: {
		status: 401,
		title: "Nobody is known by this token",
		happened:
			"There is no token in the Authorization header, or it is unknown, expired or revoked.",
		untouched: "Nothing was looked at or changed.",
		advice:
			'Send "Authorization: Bearer <token>" with a token that an admin of your tenant made, or one of your identity provider.',
	},
	forbidden: {
		status: 403,
		title: "The caller may not do this",
		happened:
			"The caller is known. The role, or the scope of the token, is not for this; `detail` says which permission is needed.",
		untouched: nothing,
		advice:
			"Ask somebody who has that right for a token with it, or to do it for you.",
	},
	not_found: {
		status: 404,
		title: "There is no such thing",
		happened:
			"Nothing is at this path, or what it names does not exist, is gone, or belongs to another tenant, which is not told apart.",
		untouched: nothing,
		advice:
			"Check the path and the id or name in it. Paths begin with /v1 and end without a slash.",
	},
	method_not_allowed: {
		status: 405,
		title: "That is not done here",
		happened: "The path exists, and this method is not one of its own.",
		untouched: nothing,
		advice: "Use one of the methods that the header `Allow` lists.",
	},
	not_acceptable: {
		status: 406,
		title: "It is not had in that form",
		happened:
			"The Accept header excludes every form in which this can be answered.",
		untouched: nothing,
		advice: 'Send "Accept: application/json", or no Accept header.',
	},
	request_timeout: {
		status: 408,
		title: "The request came too slowly",
		happened:
			"The request was not complete within its time. The connection is closed.",
		untouched: nothing,
		advice: "Send the request again, on a connection that is fast enough.",
	},
	conflict: {
		status: 409,
		title: "The state of things forbids it",
		happened:
			"The request is in order, and what is there now does not allow it: a name is taken, or an environment or operation is in a state in which this is not done.",
		untouched: nothing,
		advice:
			"Look at the thing that `detail` names, and do what has to come first, or wait for it.",
	},
	precondition_failed: {
		status: 412,
		title: "It has changed meanwhile",
		happened:
			"The thing is no longer as it was when you read it: its ETag is not the one in If-Match, or it exists and If-None-Match says that it must not.",
		untouched: nothing,
		advice:
			"Read it again, decide again, and send the request with its new ETag.",
	},
	payload_too_large: {
		status: 413,
		title: "The body is too large",
		happened: "The body has more bytes than any request of this API needs.",
		untouched: nothing,
		advice: "Send less.",
	},
	unsupported_media_type: {
		status: 415,
		title: "The body is not JSON",
		happened: "The body is not declared as JSON in UTF-8, or it is compressed.",
		untouched: nothing,
		advice: 'Send plain JSON with "Content-Type: application/json".',
	},
	precondition_required: {
		status: 428,
		title: "A precondition is missing",
		happened:
			"This changes a thing that others may be changing too, and the request does not say on which state it was decided.",
		untouched: nothing,
		advice: "Read the thing, and send its ETag in the header If-Match.",
	},
	rate_limited: {
		status: 429,
		title: "Too many requests",
		happened:
			"The token, its tenant, or the address with wrong tokens has asked more often than its limit in this minute.",
		untouched: "Nothing was looked at or changed.",
		advice:
			"Wait as many seconds as `Retry-After` says. Follow events as a stream in place of asking again and again.",
	},
	header_fields_too_large: {
		status: 431,
		title: "The headers are too large",
		happened:
			"The headers of the request have more bytes than the service reads. The connection is closed.",
		untouched: nothing,
		advice: "Send fewer or shorter headers.",
	},
	idempotency_key_missing: {
		status: 400,
		title: "An idempotency key is missing",
		happened:
			"A machine orders something, and the request has no Idempotency-Key: were its answer lost, nobody could tell whether it may be sent again.",
		untouched: nothing,
		advice:
			"Send the header Idempotency-Key with a text that is new for each order, and the same when the order is repeated.",
	},
	idempotency_key_reused: {
		status: 422,
		title: "The idempotency key belongs to another request",
		happened:
			"A request with the same Idempotency-Key was answered before, and its path, query or body was another one, or another caller of the tenant sent it.",
		untouched: nothing,
		advice: "Use a new key for a new request.",
	},
	idempotency_key_in_use: {
		status: 409,
		title: "The same request is being answered",
		happened:
			"A request with the same Idempotency-Key is being carried out at this moment.",
		untouched: "This request changed nothing.",
		advice: "Send it again in a second; it is answered as the first one was.",
	},
	quota_exceeded: {
		status: 403,
		title: "A quota is used up",
		happened:
			"What was asked would be more than the tenant may have. `detail` names the limit, how much of it is used, and by what.",
		untouched: nothing,
		advice:
			"Destroy or hibernate what is not needed, or ask the platform for a higher limit.",
	},
	unavailable: {
		status: 503,
		title: "Something needed is away",
		happened:
			"The service cannot reach something that it needs, such as its database or an identity provider.",
		untouched:
			"Nothing was changed, unless the answer of an earlier attempt was lost.",
		advice: "Send the request again after the seconds in `Retry-After`.",
	},
	not_set_up: {
		status: 500,
		title: "The service is not set up",
		happened: "A setting of the service is missing or wrong.",
		untouched: nothing,
		advice: "Tell who runs the service; `detail` says what is missing.",
	},
	timed_out: {
		status: 504,
		title: "It took too long",
		happened: "An operation or one of its phases came to its deadline.",
		untouched: operation,
		advice:
			"Look at the operation's events for what it waited for, put that right, and retry the operation.",
	},
	engine_failed: {
		status: 502,
		title: "The engine failed",
		happened:
			"Pulumi, or the cluster that it asked, refused a step of the operation.",
		untouched: operation,
		advice: "Read the operation's error, put right what it names, and retry.",
	},
	workload_stuck: {
		status: 502,
		title: "A workload does not get ready",
		happened:
			"A pod cannot start or does not get ready: an image that cannot be pulled, a crash, no room on the nodes.",
		untouched: operation,
		advice:
			"The event `workload.stuck` names the workload and the reason. Put that right, and retry.",
	},
	verification_failed: {
		status: 502,
		title: "The verification failed",
		happened:
			"Everything is ready, and a look from inside found that something does not answer as it should.",
		untouched: operation,
		advice: "Read which check failed in the operation's events, and retry.",
	},
	backup_failed: {
		status: 502,
		title: "A backup or restore failed",
		happened: "The databases could not be backed up, or put back.",
		untouched: operation,
		advice:
			'Read why in the operation\'s error. An upgrade goes without a backup by "backup": "skip".',
	},
	leftovers: {
		status: 502,
		title: "Something could not be deleted",
		happened:
			"The environment is to be destroyed, and something of it is still there.",
		untouched: operation,
		advice: "The operation's error names what is left. Retry the operation.",
	},
	cancelled: {
		status: 409,
		title: "It was cancelled",
		happened: "Somebody cancelled the operation.",
		untouched: operation,
		advice: "Order it anew, or retry the operation, if it is wanted after all.",
	},
	lease_lost: {
		status: 409,
		title: "Another worker took over",
		happened:
			"The worker that carried out the operation did not answer for a while, and another one goes on with it.",
		untouched:
			"What the first one did is kept; the second one goes on from it.",
		advice: "Nothing is to be done; follow the operation.",
	},
	internal: {
		status: 500,
		title: "The service made a mistake",
		happened: "Something happened that the service was not written for.",
		untouched:
			"What is changed is changed in one transaction or not at all; look at the thing before you try again.",
		advice:
			"Tell who runs the service, with the `requestId`: its log has the rest.",
	},
};
