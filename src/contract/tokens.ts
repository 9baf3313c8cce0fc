import { z } from "zod";
import { environmentPattern, permissionPatterns } from "../domain/scope.ts";
import { roles, tenantName, tokenName } from "../domain/tenant.ts";
import { byId, type Endpoint } from "./endpoint.ts";
import { pageOf, pageQuery } from "./page.ts";

export const token = z.strictObject({
	id: z.string(),
	name: z.string(),
	tenant: z.string(),
	role: z.enum(roles),
	/** Patterns of what it may do within its role; null: all of it. */
	permissions: z.array(z.string()).nullable(),
	/** A pattern of the names of the environments that it may see and change; null: all of them. */
	environments: z.string().nullable(),
	/** To a minute. */
	lastUsedAt: z.iso.datetime().nullable(),
	createdAt: z.iso.datetime(),
	expiresAt: z.iso.datetime().nullable(),
	revokedAt: z.iso.datetime().nullable(),
});

export const listTokens = {
	name: "listTokens",
	summary: "List the tokens of your tenant, newest first, revoked ones too.",
	method: "GET",
	path: "/v1/tokens",
	permission: "tokens:read",
	/** Only a platform admin may name another tenant; without one, that role sees the tokens of all. */
	query: pageQuery.extend({ tenant: tenantName.optional() }),
	status: 200,
	response: pageOf(token),
} as const satisfies Endpoint;

export const createToken = {
	name: "createToken",
	summary:
		"Make a token, for all that yours may do or less. Its text is in this answer and nowhere else.",
	method: "POST",
	path: "/v1/tokens",
	permission: "tokens:write",
	body: z.strictObject({
		name: tokenName,
		/** Not above your own. */
		role: z.enum(roles),
		permissions: permissionPatterns.optional(),
		environments: environmentPattern.optional(),
		/** Your own unless you are a platform admin. */
		tenant: tenantName.optional(),
		/** Without it, the token is good until it is revoked, or until yours ends if you are a machine. */
		expiresAt: z.iso
			.datetime({ offset: true, abort: true })
			// Later years have more digits than RFC 3339 writes.
			.refine(
				(text) => new Date(text).getUTCFullYear() <= 9_999,
				"must be within the year 9999 at the latest, in UTC",
			)
			.optional(),
	}),
	status: 201,
	response: token.extend({ token: z.string() }),
	leadsTo: { revokeToken: { id: "/id" } },
	examples: [
		{
			summary: "For a pipeline that makes environments for an hour",
			body: {
				name: "acme pipeline",
				role: "operator",
				permissions: ["environments:*", "operations:*", "catalogue:read"],
				environments: "ci-*",
				expiresAt: "2100-01-01T00:00:00Z",
			},
		},
	],
} as const satisfies Endpoint;

export const revokeToken = {
	name: "revokeToken",
	summary: "Revoke a token. It takes effect with the next request.",
	method: "DELETE",
	path: "/v1/tokens/{id}",
	permission: "tokens:write",
	params: byId,
	status: 204,
	response: null,
} as const satisfies Endpoint;
