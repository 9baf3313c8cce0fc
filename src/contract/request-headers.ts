// The headers that requests can bring beside those of all HTTP, as the document describes them.
import type { Endpoint } from "./endpoint.ts";

interface RequestHeader {
	readonly name: string;
	readonly in: "header";
	readonly required: boolean;
	readonly description: string;
	readonly schema: Readonly<Record<string, unknown>>;
}

/** Whether it may be sent with an Idempotency-Key. */
export const takesKey = ({ method, permission }: Endpoint): boolean =>
	method !== "GET" && permission !== null;

/** Whether it shows one thing, whose ETag it tells. */
export const showsOne = ({ method, path, response }: Endpoint): boolean =>
	(method === "GET" || method === "PATCH") &&
	/^\/v1\/.*\}$/.test(path) &&
	response !== null;

export const describeRequestHeaders = (endpoint: Endpoint): RequestHeader[] => [
	...describeKey(endpoint),
	...describeMatch(endpoint),
	...describeKnown(endpoint),
];

const describeKey = (endpoint: Endpoint): RequestHeader[] =>
	takesKey(endpoint)
		? [
				{
					name: "Idempotency-Key",
					in: "header",
					required: endpoint.machinesNeedKey === true,
					description: `Sent again with the same key within 24 hours, by the same caller, it is answered with the very same and nothing is done twice (draft-ietf-httpapi-idempotency-key-header).${endpoint.machinesNeedKey ? " Only people for whom an identity provider vouches may leave it out." : ""}`,
					schema: {
						type: "string",
						pattern: '^("[ !#-\\[\\]-~]{1,255}"|[!#-\\[\\]-~]{1,255})$',
					},
				},
			]
		: [];

const tag = '(W/)?"[!#-~\\u0080-\\u00ff]*"';
/** As `http/etag.ts` reads them. */
const tags = {
	type: "string",
	pattern: `^(\\*|[ \\t,]*${tag}([ \\t]*,[ \\t,]*${tag})*[ \\t,]*)$`,
} as const;

const describeMatch = ({ ifMatch }: Endpoint): RequestHeader[] =>
	ifMatch === undefined
		? []
		: [
				{
					name: "If-Match",
					in: "header",
					required: ifMatch === "required",
					description:
						"The ETag that the thing was read with: if it has another one by now, nothing is done. `*` stands for any.",
					schema: tags,
				},
			];

const describeKnown = (endpoint: Endpoint): RequestHeader[] =>
	showsOne(endpoint) && endpoint.method === "GET"
		? [
				{
					name: "If-None-Match",
					in: "header",
					required: false,
					description:
						"The ETag that is known: it is answered with 304 as long as it holds.",
					schema: tags,
				},
			]
		: endpoint.isNamed
			? [
					{
						name: "If-None-Match",
						in: "header",
						required: false,
						description:
							"`*`: a name that is taken is answered with 412 and not with 409.",
						schema: tags,
					},
				]
			: [];
