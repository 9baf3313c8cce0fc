// A place to deploy to: one Kubernetes cluster, with the defaults that its environments take.
import { z } from "zod";
import { approvalRules } from "./approval.ts";
import type { TargetId } from "./ids.ts";
import { phaseNames } from "./operation.ts";
import { concurrentOperations } from "./tenant.ts";

const dnsName =
	/^([a-z0-9]([-a-z0-9]*[a-z0-9])?\.)*[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;

/** Hosts are below it, with up to 64 characters more. */
export const domainName = z
	.string()
	.max(150)
	.regex(dnsName, "must be a domain name");

const objectName = z
	.string()
	.max(253)
	.regex(dnsName, "must be the name of a Kubernetes object");

const tls = z
	.union([
		z.strictObject({ secretName: objectName }),
		z.strictObject({
			issuer: objectName,
			kind: z.enum(["Issuer", "ClusterIssuer"]).default("ClusterIssuer"),
		}),
	])
	.nullable()
	.default(null)
	.describe(
		"A Secret that every namespace has, or an issuer of cert-manager; null: the Ingress controller's own certificate.",
	);

const price = z.number().min(0).max(1_000_000);

/** What holds for all environments of a target. All of it may be seen by whoever may use the target. */
export const targetSettings = z.strictObject({
	registry: z
		.string()
		.max(256)
		.regex(
			/^[a-z0-9.-]+(:\d+)?(\/[a-z0-9]+(?:[._/-]+[a-z0-9]+)*)?$/,
			"must be a registry with an optional path, such as registry.example/mirror",
		)
		.nullable()
		.default(null)
		.describe(
			"Where images come from that name no registry of their own; null: Docker Hub.",
		),
	tls,
	hostPattern: z
		.string()
		.max(100)
		.regex(
			/^(?=.*\{namespace\})(?=.*\{endpoint\})([a-z0-9.-]|\{namespace\}|\{endpoint\})+\.\{domain\}$/,
			"must hold {namespace} and {endpoint} and end in .{domain}",
		)
		.default("{namespace}-{endpoint}.{domain}")
		.describe(
			"The hosts of an environment. With the default, one wildcard certificate covers all of them.",
		),
	ingressAnnotations: z
		.record(z.string().max(317), z.string())
		.default({})
		.describe("Annotations of every Ingress. They win over the program's."),
	ingressFrom: z
		.strictObject({
			namespaces: z.array(objectName).default([]),
			cidrs: z.array(z.union([z.cidrv4(), z.cidrv6()])).default([]),
		})
		.default({ namespaces: ["ingress-nginx"], cidrs: [] })
		.describe(
			"Where the Ingress controller's requests come from: nobody else may reach the public processes.",
		),
	monitoring: z
		.strictObject({
			operator: z
				.boolean()
				.default(false)
				.describe("Whether the cluster has the Prometheus operator."),
			namespace: objectName
				.default("monitoring")
				.describe("From where metrics are fetched."),
		})
		.prefault({}),
	deadlines: z
		.partialRecord(z.enum(phaseNames), z.int().min(1).max(86_400))
		.default({})
		.describe(
			"How many seconds each phase of an operation may take here; a phase that is not named has the service's default.",
		),
	driftEveryMinutes: z
		.int()
		.min(0)
		.max(44_640)
		.default(30)
		.describe(
			"How often each environment is compared with what was applied, when nothing waits for a worker; 0: never by itself.",
		),
	concurrentOperations,
	approvals: approvalRules
		.default([])
		.describe(
			"Orders that wait until another actor than who ordered them approves them.",
		),
	prices: z
		.strictObject({
			currency: z.string().regex(/^[A-Z]{3}$/, "must be a currency's code"),
			cpuHour: price.describe("Of a core for an hour."),
			memoryGiBHour: price,
			storageGiBMonth: price,
		})
		.nullable()
		.default(null)
		.describe("What previews work out the difference in price from."),
	podSecurity: z
		.enum(["baseline", "restricted"])
		.default("baseline")
		.describe(
			"The Pod Security level that namespaces enforce. Upstream's images need baseline: several of them start as root.",
		),
});

export type TargetSettings = z.infer<typeof targetSettings>;

export type Prices = NonNullable<TargetSettings["prices"]>;

export interface Target {
	readonly id: TargetId;
	readonly name: string;
	/** Environments get hosts below it. */
	readonly domain: string;
	/** null: the cluster's default class. */
	readonly ingressClass: string | null;
	readonly storageClass: string | null;
	readonly settings: TargetSettings;
	readonly isDefault: boolean;
	readonly createdAt: Date;
}
