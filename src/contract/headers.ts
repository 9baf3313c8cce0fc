// The headers of answers, as the document describes them.
export interface Header {
	readonly description: string;
	readonly required: boolean;
	readonly schema: {
		readonly type: "string" | "integer";
		readonly minimum?: number;
	};
}

const text = { type: "string" } as const;

export const headers = {
	"X-Request-Id": {
		description:
			"Names this request in the service's log. The caller's own, if one was sent that is made of letters, digits, dots, hyphens and underscores.",
		required: true,
		schema: text,
	},
	traceparent: {
		description:
			"The part of the trace that this request was (W3C Trace Context): of the caller's trace, if one was sent.",
		required: true,
		schema: text,
	},
	Location: {
		description: "Where the operation is.",
		required: true,
		schema: text,
	},
	"Operation-Location": {
		description: "Where the operation is.",
		required: true,
		schema: text,
	},
	"Retry-After": {
		description: "After how many seconds to ask again.",
		required: true,
		schema: { type: "integer", minimum: 0 },
	},
	"RateLimit-Policy": {
		description:
			"The limits that were counted (draft-ietf-httpapi-ratelimit-headers; its syntax may still move).",
		required: false,
		schema: text,
	},
	RateLimit: {
		description:
			"How much of each limit is left (`r`), and for how many seconds (`t`).",
		required: false,
		schema: text,
	},
	ETag: {
		description: "A strong one (RFC 9110), for If-Match and If-None-Match.",
		required: true,
		schema: text,
	},
	"Idempotency-Replayed": {
		description:
			"`true`: this is the answer to an earlier request with the same Idempotency-Key.",
		required: false,
		schema: text,
	},
	"WWW-Authenticate": {
		description: "How to say who calls (RFC 6750).",
		required: true,
		schema: text,
	},
} as const satisfies Readonly<Record<string, Header>>;

export type HeaderName = keyof typeof headers;

const everywhere: readonly HeaderName[] = ["X-Request-Id", "traceparent"];
const counted: readonly HeaderName[] = ["RateLimit-Policy", "RateLimit"];

/** What an answer has beside the headers of all HTTP. */
export function listHeaders(answer: {
	readonly isGuarded: boolean;
	readonly status: number;
	readonly orders: boolean;
	/** It may be one that was kept under a key. */
	readonly isKeyed?: boolean;
	/** It shows one thing. */
	readonly isTagged?: boolean;
}): HeaderName[] {
	const { isGuarded, status, orders, isKeyed, isTagged } = answer;
	return [
		...everywhere,
		...(isGuarded ? counted : []),
		...(orders ? (["Location", "Operation-Location"] as const) : []),
		...(orders || status === 429 || status === 503
			? (["Retry-After"] as const)
			: []),
		...(isTagged ? (["ETag"] as const) : []),
		...(isKeyed ? (["Idempotency-Replayed"] as const) : []),
		...(status === 401 ? (["WWW-Authenticate"] as const) : []),
	];
}
