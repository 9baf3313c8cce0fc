// What a declaration of the API is. The server, its clients and the tests walk the same list of them
// (api.ts), so that what is promised, what is parsed and what is tested cannot drift apart.
import { z } from "zod";
import type { Permission } from "../domain/permission.ts";
import type { FailureCode } from "../failure.ts";

export interface Endpoint {
	/** Unique among all; names the operation for clients. */
	readonly name: string;
	readonly summary: string;
	readonly method: "GET" | "POST" | "PATCH" | "DELETE";
	/** Parameters in braces: `/v1/environments/{id}`. */
	readonly path: `/${string}`;
	/** What the caller must be permitted, within his tenant: `leastRoles` says to whom it is. null: whoever comes, without a token. */
	readonly permission: Permission | null;
	readonly params?: z.ZodObject;
	/** Of plain types: `query.ts` turns the text of a URL into them. */
	readonly query?: z.ZodObject;
	readonly body?: z.ZodType;
	readonly status: 200 | 201 | 202 | 204;
	/** null: the answer has no body. */
	readonly response: z.ZodType | null;
	/** What is answered, with 200, where there is nothing to do. */
	readonly unneeded?: z.ZodType;
	/** What is answered in place of `response` where the query's `fields` choose. */
	readonly parts?: z.ZodType;
	/** Answers with an operation that has yet to be carried out, and says where to look for it. */
	readonly orders?: true;
	/** Machines have to send an Idempotency-Key, which all mutations take. */
	readonly machinesNeedKey?: true;
	/** It makes something whose name must be free: with `If-None-Match: *` one that is not is answered with 412. */
	readonly isNamed?: true;
	/** It can be made to depend on the ETag of what it changes; "required": it has to be. */
	readonly ifMatch?: "required" | "taken";
	/** Fields of the answer that say how far it has come, where that is waited for. */
	readonly progress?: readonly string[];
	/** What each message of the stream carries, for callers that accept `text/event-stream`. */
	readonly stream?: z.ZodType;
	/** Is had as a page for people as well, by callers that accept `text/html`. */
	readonly page?: true;
	/** What each line is, for callers that accept `application/x-ndjson`: the whole list, as its filters have it. */
	readonly lines?: z.ZodType;
	/** Problems beside those that follow from the rest of the declaration; see `refusals.ts`. */
	readonly refuses?: readonly FailureCode[];
	/** What can be asked for next with what this answers. */
	readonly leadsTo?: LeadsTo;
	/** Requests that succeed where what they name is there. */
	readonly examples?: readonly Example[];
}

/** Endpoint that takes something of an answer → its parameter → where that is: a JSON Pointer into the body, or a header. */
export type LeadsTo = Readonly<
	Record<string, Readonly<Record<string, string>>>
>;

export interface Example {
	/** What it is an example of. */
	readonly summary: string;
	readonly body: unknown;
}

type Parsed<E, K extends string> = E extends {
	readonly [P in K]: infer S extends z.ZodType;
}
	? z.output<S>
	: undefined;

/** What was sent, once it is parsed. */
export interface Input<E extends Endpoint> {
	readonly params: Parsed<E, "params">;
	readonly query: Parsed<E, "query">;
	readonly body: Parsed<E, "body">;
}

/** What is answered. */
export type Output<E extends Endpoint> = E["response"] extends z.ZodType
	? z.input<E["response"]>
	: undefined;

/** What is answered where there is nothing to do. */
export type UnneededOutput<E extends Endpoint> = E extends {
	readonly unneeded: infer S extends z.ZodType;
}
	? { readonly unneeded: z.input<S> }
	: never;

/** What is answered where fields were chosen. */
export type PartsOutput<E extends Endpoint> = E extends {
	readonly parts: infer S extends z.ZodType;
}
	? { readonly parts: z.input<S> }
	: never;

// What ids and names are made of. Anything else cannot name a thing and is refused before it is looked for.
export const identifier = z
	.string()
	.regex(/^[A-Za-z0-9._-]{1,64}$/, "is neither an id nor a name");

export const byId = z.strictObject({ id: identifier });
export const byName = z.strictObject({ name: identifier });
