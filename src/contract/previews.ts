import { z } from "zod";
import { lifecycles } from "../domain/environment.ts";
import { planSteps } from "../domain/plan.ts";
import { previewedOrder, previewedVerbs, risks } from "../domain/preview.ts";
import { byId, type Endpoint } from "./endpoint.ts";
import { unneeded } from "./environments.ts";
import { operation } from "./operations.ts";

const step = z.enum(planSteps).exclude(["same"]);
const count = z.int().min(0);
const fromTo = <T extends z.ZodType>(value: T) =>
	z
		.strictObject({ from: value.nullable(), to: value.nullable() })
		.nullable()
		.describe("null: it stays.");
const time = z.iso.datetime();
export const json = z.json();
const risk = z.enum(risks);

const result = z.strictObject({
	changes: z.strictObject({
		create: count,
		update: count,
		replace: count,
		delete: count,
		same: count,
	}),
	resources: z
		.array(
			z.strictObject({
				kind: z.string(),
				name: z.string(),
				step,
				changes: z.array(
					z.strictObject({
						path: z.string(),
						before: json,
						after: json,
					}),
				),
			}),
		)
		.describe("What would not stay as it is. Secrets are `[secret]`."),
	processes: z
		.array(
			z.strictObject({
				name: z.string(),
				step,
				image: fromTo(z.string()),
				replicas: fromTo(count),
				settings: z.array(
					z.strictObject({
						name: z.string(),
						before: json,
						after: json,
					}),
				),
				downtime: z
					.boolean()
					.describe("Whether it is away, be it for a moment."),
			}),
		)
		.describe("Of Maestro's processes those that would change."),
	replacements: z
		.array(z.strictObject({ kind: z.string(), name: z.string(), risk }))
		.describe("What would be deleted and made anew."),
	risk: risk.describe("The worst of `reasons`."),
	reasons: z.array(
		z.strictObject({
			risk: z.enum(risks).exclude(["none"]),
			message: z.string(),
		}),
	),
	dataLoss: z
		.strictObject({ since: z.string(), reason: z.string() })
		.nullable()
		.describe("What was written since then would be lost."),
	price: z
		.strictObject({
			currency: z.string(),
			before: z.number(),
			after: z.number(),
			difference: z.number(),
		})
		.nullable()
		.describe(
			"For a month of 730 hours, by what is requested; null where the target has no prices.",
		),
});

export const preview = z.strictObject({
	id: z.string(),
	environment: z.string(),
	operation: z.string(),
	verb: z.enum(previewedVerbs),
	/** What it was worked out from. An order that is bound to it is refused when any of it has moved. */
	basis: z.strictObject({
		desiredRevision: z.int(),
		lifecycle: z.enum(lifecycles),
		blueprintVersion: z.string(),
		programDigest: z.string().nullable(),
		stateVersion: z.int().nullable(),
	}),
	result: result.nullable().describe("null until its operation has succeeded."),
	createdAt: time,
	expiresAt: time.nullable(),
});

export const previewEnvironment = {
	name: "previewEnvironment",
	summary:
		'Show what an order would change, without changing anything. The body names one verb with its own body, as in {"upgrade": {"release": "0.6.1"}}. It waits for nobody.',
	method: "POST",
	path: "/v1/environments/{id}:preview",
	permission: "environments:preview",
	ifMatch: "taken",
	params: byId,
	body: previewedOrder,
	status: 202,
	response: operation,
	unneeded,
	orders: true,
	leadsTo: { findPreview: { id: "/options/preview" } },
	examples: [
		{
			summary: "What an upgrade would change",
			body: { upgrade: { size: "ha" } },
		},
		{ summary: "What a destroy would take away", body: { destroy: {} } },
	],
} as const satisfies Endpoint;

export const findPreview = {
	name: "findPreview",
	summary:
		"Look at a preview. Its id is in the `options` of the operation that works it out.",
	method: "GET",
	path: "/v1/previews/{id}",
	permission: "environments:read",
	params: byId,
	status: 200,
	response: preview,
	leadsTo: {
		findOperation: { id: "/operation" },
		findEnvironment: { id: "/environment" },
		hibernateEnvironment: { id: "/environment", previewId: "/id" },
		wakeEnvironment: { id: "/environment", previewId: "/id" },
		destroyEnvironment: { id: "/environment", previewId: "/id" },
	},
} as const satisfies Endpoint;
