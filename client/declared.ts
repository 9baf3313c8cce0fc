// The API's declarations as types. Nothing of them is here when it runs: the client asks the service for its document.
import type { z } from "zod";
import type * as audit from "../src/contract/audit.ts";
import type * as backups from "../src/contract/backups.ts";
import type * as blueprints from "../src/contract/blueprints.ts";
import type * as clones from "../src/contract/clones.ts";
import type * as document from "../src/contract/document.ts";
import type { Endpoint } from "../src/contract/endpoint.ts";
import type * as environments from "../src/contract/environments.ts";
import type * as events from "../src/contract/events.ts";
import type * as health from "../src/contract/health.ts";
import type * as identityRules from "../src/contract/identity-rules.ts";
import type * as leftovers from "../src/contract/leftovers.ts";
import type * as operations from "../src/contract/operations.ts";
import type * as previews from "../src/contract/previews.ts";
import type * as problemPages from "../src/contract/problem-pages.ts";
import type * as releases from "../src/contract/releases.ts";
import type * as rollouts from "../src/contract/rollouts.ts";
import type * as secrets from "../src/contract/secrets.ts";
import type * as targets from "../src/contract/targets.ts";
import type * as tenants from "../src/contract/tenants.ts";
import type * as tokens from "../src/contract/tokens.ts";
import type * as webhooks from "../src/contract/webhooks.ts";

type Modules = typeof audit &
	typeof backups &
	typeof blueprints &
	typeof clones &
	typeof document &
	typeof environments &
	typeof events &
	typeof health &
	typeof identityRules &
	typeof leftovers &
	typeof operations &
	typeof previews &
	typeof problemPages &
	typeof releases &
	typeof rollouts &
	typeof secrets &
	typeof targets &
	typeof tenants &
	typeof tokens &
	typeof webhooks;

/** Name of an endpoint → its declaration. */
export type Declared = {
	[K in keyof Modules as Modules[K] extends Endpoint ? K : never]: Modules[K];
};

type Sent<E, K extends string> = E extends {
	readonly [P in K]: infer S extends z.ZodType;
}
	? z.input<S>
	: unknown;

type Body<E> = E extends { readonly body: infer S extends z.ZodType }
	? { readonly body: z.input<S> }
	: unknown;

/** Parameters of the path and the query side by side, and the body. */
export type Asked<E> = Sent<E, "params"> & Sent<E, "query"> & Body<E>;

type Parsed<E, K extends string> = E extends {
	readonly [P in K]: infer S extends z.ZodType;
}
	? z.output<S>
	: never;

/** The answer, or what is said where there is nothing to do. */
export type Answered<E> = E extends { readonly response: null }
	? undefined
	: Parsed<E, "response"> | Parsed<E, "unneeded">;

/** The answer, of whose items only some fields are there if the query has `fields`. */
export type Chosen<E, A> = A extends { readonly fields: readonly unknown[] }
	? Parsed<E, "parts">
	: Answered<E>;

/** Which lists can be had in lines, and one of these lines. */
export type Lined = {
	[K in keyof Declared]: Declared[K] extends { readonly lines: z.ZodType }
		? K
		: never;
}[keyof Declared];
export type Line<K extends Lined> = Parsed<Declared[K], "lines">;

export type Event = z.output<typeof events.event>;
export type Operation = z.output<typeof operations.operation>;
