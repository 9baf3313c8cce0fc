// Who is what, by the tokens of identity providers.
import { z } from "zod";
import { claimPatterns } from "../domain/identity.ts";
import { environmentPattern, permissionPatterns } from "../domain/scope.ts";
import { actorKinds, roles, tenantName } from "../domain/tenant.ts";
import { byId, type Endpoint } from "./endpoint.ts";
import { pageOf, pageQuery } from "./page.ts";

export const identityRule = z.strictObject({
	id: z.string(),
	issuer: z.string(),
	claims: z.record(z.string(), z.string()),
	kind: z.enum(actorKinds),
	tenant: z.string(),
	role: z.enum(roles),
	/** Patterns of what it allows within the role; null: all of it. */
	permissions: z.array(z.string()).nullable(),
	/** A pattern of the names of environments; null: all of them. */
	environments: z.string().nullable(),
	createdAt: z.iso.datetime(),
});

export const listIdentityRules = {
	name: "listIdentityRules",
	summary: "List the rules for tokens of identity providers, newest first.",
	method: "GET",
	path: "/v1/identity-rules",
	permission: "identity-rules:read",
	query: pageQuery,
	status: 200,
	response: pageOf(identityRule),
} as const satisfies Endpoint;

export const createIdentityRule = {
	name: "createIdentityRule",
	summary:
		"Say what callers are whose token an identity provider made. Of several rules that fit, the highest role counts, and then the oldest.",
	method: "POST",
	path: "/v1/identity-rules",
	permission: "identity-rules:write",
	body: z.strictObject({
		issuer: z
			.string()
			.min(1)
			.max(500)
			.describe("Letter for letter the `iss` of its tokens."),
		claims: claimPatterns,
		kind: z
			.enum(actorKinds)
			.default("person")
			.describe("A job of a CI system is a machine."),
		tenant: tenantName,
		role: z.enum(roles),
		permissions: permissionPatterns.optional(),
		environments: environmentPattern.optional(),
	}),
	status: 201,
	response: identityRule,
	leadsTo: { deleteIdentityRule: { id: "/id" } },
	examples: [
		{
			summary: "Jobs of the main branch may order environments",
			body: {
				issuer: "https://token.actions.githubusercontent.com",
				claims: { repository: "acme/*", ref: "refs/heads/main" },
				kind: "machine",
				tenant: "acme",
				role: "operator",
				environments: "ci-*",
			},
		},
	],
} as const satisfies Endpoint;

export const deleteIdentityRule = {
	name: "deleteIdentityRule",
	summary: "Take a rule away. It takes effect with the next request.",
	method: "DELETE",
	path: "/v1/identity-rules/{id}",
	permission: "identity-rules:write",
	params: byId,
	status: 204,
	response: null,
} as const satisfies Endpoint;
