import { z } from "zod";
import { approvalRules } from "../domain/approval.ts";
import { readDuration } from "../domain/expiry.ts";
import { tenantName, tenantSettings } from "../domain/tenant.ts";
import { byName, type Endpoint } from "./endpoint.ts";
import { pageOf, pageQuery } from "./page.ts";

export const tenant = z.strictObject({
	id: z.string(),
	name: z.string(),
	settings: tenantSettings,
	/** Its orders that wait for an approval, beside those that the target names. */
	approvals: approvalRules,
	createdAt: z.iso.datetime(),
});

export const listTenants = {
	name: "listTenants",
	summary: "List all tenants, newest first.",
	method: "GET",
	path: "/v1/tenants",
	permission: "tenants:read",
	query: pageQuery,
	status: 200,
	response: pageOf(tenant),
} as const satisfies Endpoint;

export const createTenant = {
	name: "createTenant",
	summary: "Make a tenant. Give it a token next.",
	method: "POST",
	path: "/v1/tenants",
	permission: "tenants:write",
	body: z.strictObject({ name: tenantName }),
	status: 201,
	response: tenant,
	refuses: ["conflict"],
} as const satisfies Endpoint;

export const changeTenant = {
	name: "changeTenant",
	summary:
		"Change what the platform decides for a tenant. What is not sent stays.",
	method: "PATCH",
	path: "/v1/tenants/{name}",
	permission: "tenants:write",
	params: byName,
	body: z
		.strictObject({
			concurrentOperations: tenantSettings.shape.concurrentOperations
				.unwrap()
				.optional(),
			ttlDefault: tenantSettings.shape.ttlDefault.unwrap().optional(),
			ttlMax: tenantSettings.shape.ttlMax.unwrap().optional(),
			failureTtlDefault: tenantSettings.shape.failureTtlDefault
				.unwrap()
				.optional(),
			approvals: approvalRules.optional(),
		})
		.refine(
			(change) => Object.keys(change).length > 0,
			"must have `concurrentOperations`, `ttlDefault`, `ttlMax`, `failureTtlDefault` or `approvals`",
		)
		.refine(
			({ ttlDefault, ttlMax }) =>
				!ttlDefault ||
				!ttlMax ||
				readDuration(ttlDefault) <= readDuration(ttlMax),
			{ path: ["ttlDefault"], message: "must not be above `ttlMax`" },
		),
	status: 200,
	response: tenant,
} as const satisfies Endpoint;
