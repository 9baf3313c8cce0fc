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

export const describeRequestHeaders = (endpoint: Endpoint): RequestHeader[] =>
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
