import { z } from "zod";
import { approvalRules } from "../domain/approval.ts";
import { tenantName } from "../domain/tenant.ts";
import { byName, type Endpoint } from "./endpoint.ts";
import { pageOf, pageQuery } from "./page.ts";

export const tenant = z.strictObject({
	id: z.string(),
	name: z.string(),
	/** Its orders that wait for an approval, beside those that the target names. */
	approvals: approvalRules,
	createdAt: z.iso.datetime(),
});

export const listTenants = {
	name: "listTenants",
	summary: "List all tenants, newest first.",
	method: "GET",
	path: "/v1/tenants",
	role: "platform-admin",
	query: pageQuery,
	status: 200,
	response: pageOf(tenant),
} as const satisfies Endpoint;

export const createTenant = {
	name: "createTenant",
	summary: "Make a tenant. Give it a token next.",
	method: "POST",
	path: "/v1/tenants",
	role: "platform-admin",
	body: z.strictObject({ name: tenantName }),
	status: 201,
	response: tenant,
} as const satisfies Endpoint;

export const setTenant = {
	name: "setTenant",
	summary:
		"Say which orders of a tenant wait until another actor than who ordered them approves them.",
	method: "PATCH",
	path: "/v1/tenants/{name}",
	role: "platform-admin",
	params: byName,
	body: z.strictObject({ approvals: approvalRules }),
	status: 200,
	response: tenant,
} as const satisfies Endpoint;
