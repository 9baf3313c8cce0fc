import { z } from "zod";
import { approvalRules } from "../domain/approval.ts";
import { readDuration } from "../domain/expiry.ts";
import { quota, quotaChange } from "../domain/quota.ts";
import { tenantName, tenantSettings } from "../domain/tenant.ts";
import { byName, type Endpoint, type LeadsTo } from "./endpoint.ts";
import { pageOf, pageQuery } from "./page.ts";

export const tenant = z.strictObject({
	id: z.string(),
	name: z.string(),
	settings: tenantSettings,
	/** Its orders that wait for an approval, beside those that the target names. */
	approvals: approvalRules,
	createdAt: z.iso.datetime(),
});

const tenantLeadsTo: LeadsTo = {
	findUsage: { name: "/name" },
	changeTenant: { name: "/name", "If-Match": "ETag" },
};

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

export const findTenant = {
	name: "findTenant",
	summary: "Look at a tenant.",
	method: "GET",
	path: "/v1/tenants/{name}",
	permission: "tenants:read",
	params: byName,
	status: 200,
	response: tenant,
	leadsTo: tenantLeadsTo,
} as const satisfies Endpoint;

export const createTenant = {
	name: "createTenant",
	summary: "Make a tenant. Give it a token next.",
	method: "POST",
	path: "/v1/tenants",
	permission: "tenants:write",
	body: z.strictObject({ name: tenantName }),
	isNamed: true,
	status: 201,
	response: tenant,
	refuses: ["conflict"],
	leadsTo: { findTenant: { name: "/name" }, findUsage: { name: "/name" } },
	examples: [{ summary: "A tenant", body: { name: "umbrella" } }],
} as const satisfies Endpoint;

export const changeTenant = {
	name: "changeTenant",
	summary:
		"Change what the platform decides for a tenant. What is not sent stays.",
	method: "PATCH",
	path: "/v1/tenants/{name}",
	permission: "tenants:write",
	ifMatch: "required",
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
			quota: quotaChange.optional(),
		})
		.refine(
			(change) => Object.keys(change).length > 0,
			"must have `concurrentOperations`, `ttlDefault`, `ttlMax`, `failureTtlDefault`, `approvals` or `quota`",
		)
		.refine(
			({ ttlDefault, ttlMax }) =>
				!ttlDefault ||
				!ttlMax ||
				readDuration(ttlDefault) <= readDuration(ttlMax),
			{ path: ["ttlDefault"], message: "must not be above `ttlMax`" },
		)
		.meta({ minProperties: 1 }),
	status: 200,
	response: tenant,
	leadsTo: tenantLeadsTo,
	examples: [
		{
			summary: "A time to live, and two operations at a time",
			body: { ttlDefault: "3d", ttlMax: "30d", concurrentOperations: 2 },
		},
		{
			summary: "Destroying has to be approved",
			body: { approvals: [{ verbs: ["destroy"], sizes: ["ha"] }] },
		},
		{
			summary: "Limits",
			body: { quota: { environments: 20, sizes: ["small"] } },
		},
	],
} as const satisfies Endpoint;

/** null: there is no limit. */
const counted = z.strictObject({
	limit: z.int().nullable(),
	used: z.number(),
});

export const findUsage = {
	name: "findUsage",
	summary: "What a tenant uses of what it may have, and by what.",
	method: "GET",
	path: "/v1/tenants/{name}/usage",
	permission: "usage:read",
	params: byName,
	status: 200,
	response: z.strictObject({
		tenant: z.string(),
		/** Whatever state they are in. */
		environments: counted,
		/** Those that are awake, or are on their way to it. */
		activeEnvironments: counted,
		/** What those ask their clusters for, in thousandths of a CPU. While one is changed, the most of before and after. */
		cpuMillis: counted,
		memoryMiB: counted,
		/** Of the hour before now. */
		operationsPerHour: counted,
		sizes: quota.shape.sizes.unwrap(),
		targets: quota.shape.targets.unwrap(),
		blueprints: quota.shape.blueprints.unwrap(),
		/** The environments that take the most, up to 50, of those that the caller may see. */
		largest: z.array(
			z.strictObject({
				id: z.string(),
				name: z.string(),
				isActive: z.boolean(),
				cpuMillis: z.number(),
				memoryMiB: z.number(),
			}),
		),
	}),
} as const satisfies Endpoint;
