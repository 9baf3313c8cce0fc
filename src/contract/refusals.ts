// Which problems each endpoint can answer with: what follows from its declaration, and what it `refuses` besides.
import type { FailureCode } from "../failure.ts";
import type { Endpoint } from "./endpoint.ts";
import { problemKinds } from "./problems.ts";
import { takesKey } from "./request-headers.ts";

/** Of every endpoint, by the connection and the wrapper around its handler. */
const always: readonly FailureCode[] = [
	"invalid_request",
	"request_timeout",
	"header_fields_too_large",
	"internal",
	"unavailable",
];

/** What anyone learns who brings a token. */
const guarded: readonly FailureCode[] = [
	"unauthenticated",
	"forbidden",
	"rate_limited",
];

const withBody: readonly FailureCode[] = [
	"payload_too_large",
	"unsupported_media_type",
];

const keyed: readonly FailureCode[] = [
	"idempotency_key_reused",
	"idempotency_key_in_use",
];

/** Each once, in the order of the catalogue. */
export function listRefusals(endpoint: Endpoint): FailureCode[] {
	const { permission, params, body, response, orders, refuses } = endpoint;
	const { ifMatch, isNamed } = endpoint;
	const codes = new Set<FailureCode>([
		...always,
		...(permission === null ? [] : guarded),
		...(params === undefined ? [] : (["not_found"] as const)),
		...(body === undefined ? [] : withBody),
		...(response === null ? [] : (["not_acceptable"] as const)),
		...(orders === undefined ? [] : (["conflict", "quota_exceeded"] as const)),
		...(ifMatch === undefined ? [] : (["precondition_failed"] as const)),
		...(ifMatch === "required" ? (["precondition_required"] as const) : []),
		...(isNamed ? (["precondition_failed"] as const) : []),
		...(takesKey(endpoint) ? keyed : []),
		...(endpoint.machinesNeedKey ? (["idempotency_key_missing"] as const) : []),
		...(refuses ?? []),
	]);
	const catalogue = Object.keys(problemKinds) as FailureCode[];
	return catalogue.filter((code) => codes.has(code));
}
