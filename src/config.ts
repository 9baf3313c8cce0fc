// Variables become one checked value, here and nowhere else. Nothing else in the service reads a variable.
import { isIP } from "node:net";
import { availableParallelism } from "node:os";
import { join, resolve } from "node:path";
import { z } from "zod";
import type { AwsAccess } from "./domain/aws.ts";
import { type Issuer, issuers } from "./domain/identity.ts";
import { dnsLabel } from "./domain/names.ts";
import {
	domainName,
	type TargetSettings,
	targetSettings,
} from "./domain/target.ts";
import type { TargetPolicy } from "./domain/webhook.ts";
import { Failure } from "./failure.ts";

const wholeNumber = (min: number, max: number) =>
	z
		.string()
		.refine(
			(text) =>
				/^\d{1,9}$/.test(text) && Number(text) >= min && Number(text) <= max,
			`must be a whole number from ${min} to ${max}`,
		)
		.transform(Number);

/** A variable that holds JSON of a given shape. */
const json = <T extends z.ZodType>(shape: T) =>
	z.string().transform((text, context): z.output<T> => {
		const parsed = parseJson(shape, text);
		if (parsed.success) return parsed.data;
		for (const { path, message } of parsed.error.issues) {
			context.addIssue({ code: "custom", path: [...path], message });
		}
		return z.NEVER;
	});

function parseJson<T extends z.ZodType>(shape: T, text: string) {
	try {
		return shape.safeParse(JSON.parse(text));
	} catch {
		return z.never("must be JSON").safeParse(text);
	}
}

/** Values between commas; each without the spaces around it. */
const listOf = (isGood: (text: string) => boolean, message: string) =>
	z
		.string()
		.transform((text) => text.split(",").map((part) => part.trim()))
		.refine((parts) => parts.every(isGood), message);

/** As a browser writes it: a scheme, a host and at most a port. */
function isOrigin(text: string): boolean {
	const url = URL.parse(text);
	const isNamed = /^https?:\/\/[a-z0-9.:[\]-]+$/.test(text);
	return isNamed && url?.origin === text;
}

/** An address, or a network in CIDR notation. */
function isNetwork(text: string): boolean {
	const [address = "", bits] = text.split("/", 2);
	const longest = { 4: 32, 6: 128 }[isIP(address)];
	if (longest === undefined) return false;
	return (
		bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= longest)
	);
}

function isCollector(text: string): boolean {
	if (!URL.canParse(text)) return false;
	const { protocol, username, password } = new URL(text);
	return /^https?:$/.test(protocol) && username === "" && password === "";
}

/** An account needs a region and both halves of its key; half of it would surprise at the first order. */
const awsVariables = [
	"TARGET_AWS_REGION",
	"TARGET_AWS_ACCESS_KEY_ID",
	"TARGET_AWS_SECRET_ACCESS_KEY",
] as const;

/** A variable that holds a list, separated by commas. */
const list = <T extends z.ZodType<string, string>>(item: T) =>
	z
		.string()
		.transform((text) => text.split(",").map((part) => part.trim()))
		.pipe(z.array(item));

const variables = z
	.object({
		DATABASE_URL: z
			.string()
			.regex(/^postgres(ql)?:\/\//, "must be a postgres:// URL")
			.optional(),
		DATABASE_SERVICE_ROLE: z
			.string()
			.regex(/^[A-Za-z_][\w$-]{0,62}$/, "must be the name of a database role")
			.optional(),
		QUEUE_URL: z
			.string()
			.regex(
				/^(postgres(ql)?|rediss?):\/\//,
				"must be a postgres:// or a redis:// URL",
			)
			.optional(),
		HOST: z.string().default("127.0.0.1"),
		PORT: wholeNumber(0, 65_535).default(8080),
		METRICS_PORT: wholeNumber(0, 65_535).optional(),
		PUBLIC_URL: z
			.url({ protocol: /^https?$/, error: "must be an https:// URL" })
			.transform((url) => url.replace(/\/+$/, ""))
			.optional(),
		CORS_ORIGINS: listOf(
			isOrigin,
			"must be origins (https://portal.example.com), with commas between",
		).default([]),
		DRAIN_SECONDS: wholeNumber(0, 300).optional(),
		OTEL_EXPORTER_OTLP_ENDPOINT: z
			.string()
			.refine(
				isCollector,
				"must be an http:// or https:// URL without a name and a password; OTEL_EXPORTER_OTLP_HEADERS is for those",
			)
			.optional(),
		OTEL_SERVICE_NAME: z.string().default("impresario"),
		OTEL_TRACES_SAMPLER_ARG: z
			.string()
			.regex(/^(0(\.\d+)?|1(\.0+)?)$/, "must be a number from 0 to 1")
			.transform(Number)
			.default(1),
		OIDC_ISSUERS: json(issuers).default([]),
		TRUSTED_PROXIES: listOf(
			isNetwork,
			"must be addresses or networks (10.0.0.0/8), with commas between",
		).default([]),
		RATE_LIMIT_TOKEN: wholeNumber(0, 1_000_000).default(600),
		RATE_LIMIT_TENANT: wholeNumber(0, 1_000_000).default(3_000),
		RATE_LIMIT_FAILURES: wholeNumber(0, 1_000_000).default(20),
		DATA_DIR: z.string().default(".impresario"),
		TOOLCHAIN_DIR: z.string().optional(),
		TARGET_KUBECONFIG: z.string().optional(),
		TARGET_NAME: dnsLabel(63).optional(),
		TARGET_DOMAIN: domainName.optional(),
		TARGET_INGRESS_CLASS: z.string().optional(),
		TARGET_STORAGE_CLASS: z.string().optional(),
		TARGET_SETTINGS: json(targetSettings).optional(),
		TARGET_PULL_SECRET: z.string().optional(),
		TARGET_AWS_REGION: z
			.string()
			.regex(/^[a-z]{2}(-[a-z]+)+-\d$/, "must be a region of AWS")
			.optional(),
		TARGET_AWS_ACCESS_KEY_ID: z.string().optional(),
		TARGET_AWS_SECRET_ACCESS_KEY: z.string().optional(),
		TARGET_AWS_ENDPOINT: z
			.string()
			.regex(/^https?:\/\//, "must be an http:// or https:// URL")
			.optional(),
		PULUMI_RESOURCE_AWS_BIN: z.string().optional(),
		SEAL_KEY: z.string().optional(),
		STATE_PORT: wholeNumber(0, 65_535).default(0),
		WORKER_CHILDREN: wholeNumber(1, 64).optional(),
		// With all that follows it must fit into a cancellation's time.
		ENGINE_GRACE_SECONDS: wholeNumber(1, 90).optional(),
		WEBHOOK_ALLOWED_HOSTS: list(domainName).optional(),
		WEBHOOK_ALLOWED_CIDRS: list(
			z.union([z.cidrv4(), z.cidrv6()], "must be ranges such as 10.1.0.0/16"),
		).optional(),
		WEBHOOK_ALLOW_HTTP: z.enum(["true", "false"]).optional(),
		LOG_LEVEL: z
			.enum(["trace", "debug", "info", "warn", "error", "fatal", "silent"])
			.optional(),
	})
	.superRefine((vars, context) => {
		const missing = awsVariables.filter((name) => vars[name] === undefined);
		if (missing.length === 0 || missing.length === awsVariables.length) return;
		for (const name of missing) {
			context.addIssue({
				code: "custom",
				path: [name],
				message: "must be set too, as an AWS account is named",
			});
		}
	});

export interface Config {
	/** Undefined: the sandbox's own. */
	readonly databaseUrl: string | undefined;
	/** The database role of the processes that do not own its tables; `migrate` gives it its rights. */
	readonly databaseServiceRole: string | undefined;
	/** Undefined: the database. */
	readonly queueUrl: string | undefined;
	readonly host: string;
	readonly port: number;
	/** Undefined: the API serves the metrics, and no other role does. */
	readonly metricsPort: number | undefined;
	readonly tracing: {
		/** A collector of OpenTelemetry's. Undefined: no traces are recorded. */
		readonly endpoint: string | undefined;
		readonly serviceName: string;
		/** Of the traces that begin here, so many are recorded: 0 to 1. */
		readonly share: number;
	};
	/** Where the API is reached from outside. */
	readonly publicUrl: string | undefined;
	/** Origins whose pages may call the API from a browser. */
	readonly corsOrigins: readonly string[];
	/** How long the API serves as before once it was told to stop. Undefined: as its role has it. */
	readonly drainSeconds: number | undefined;
	/** Identity providers that are believed in who somebody is. */
	readonly issuers: readonly Issuer[];
	/** Networks of proxies that are believed in where a request comes from. */
	readonly trustedProxies: readonly string[];
	/** Requests per minute, and credentials of one address that are refused; 0: no limit. */
	readonly rates: {
		readonly token: number;
		readonly tenant: number;
		readonly failures: number;
	};
	readonly dataDir: string;
	readonly toolchainDir: string;
	/** Where environments go when it is not the sandbox. `kubeconfig` is a path. */
	readonly target: {
		readonly kubeconfig: string | undefined;
		readonly name: string | undefined;
		readonly domain: string | undefined;
		readonly ingressClass: string | undefined;
		readonly storageClass: string | undefined;
		readonly settings: TargetSettings | undefined;
		/** Path of a Docker configuration with credentials for its registry. */
		readonly pullSecret: string | undefined;
	};
	/** The AWS provider's executable. Needed where the target has an AWS account. */
	readonly awsPluginBin: string | undefined;
	/** Undefined: decided from cores and memory. */
	readonly workerChildren: number | undefined;
	/** How long an interrupted engine may finish what is in flight, before it is ended by force. */
	readonly engineGraceMs: number | undefined;
	/** Where a worker keeps the engine's state at the disposal of `pulumi login`, on 127.0.0.1. 0: any free port. */
	readonly statePort: number;
	/** Where webhooks may lead. */
	readonly webhookTargets: TargetPolicy;
	readonly cores: number;
	readonly logLevel: string | undefined;
	/** The machine's environment, from which the engine's processes get what they need (PATH, HOME, proxies). */
	readonly environment: () => Readonly<Record<string, string | undefined>>;
	/** Kept apart, so that a Config can be printed. */
	readonly secrets: () => {
		readonly sealKey: string | undefined;
		/** Of the target. */
		readonly aws: AwsAccess | undefined;
	};
}

/** Throws `not_set_up`, naming every variable that is wrong. */
export function parseConfig(
	environment: Readonly<Record<string, string | undefined>>,
): Config {
	// An empty variable is one that is not set: shells and compose files make no difference.
	const set = Object.entries(environment).filter(([, value]) => value !== "");
	const parsed = variables.safeParse(Object.fromEntries(set));
	if (!parsed.success) {
		const wrong = parsed.error.issues.map(
			(issue) => `${issue.path.join(".")} ${issue.message}`,
		);
		throw new Failure({
			code: "not_set_up",
			message: `The configuration is wrong: ${wrong.join("; ")}.`,
			untouched: "Nothing was started.",
			advice: "Correct the variables named here; the README lists them all.",
		});
	}
	const vars = parsed.data;
	const dataDir = resolve(vars.DATA_DIR);
	return Object.freeze({
		databaseUrl: vars.DATABASE_URL,
		databaseServiceRole: vars.DATABASE_SERVICE_ROLE,
		queueUrl: vars.QUEUE_URL,
		host: vars.HOST,
		port: vars.PORT,
		metricsPort: vars.METRICS_PORT,
		tracing: {
			endpoint: vars.OTEL_EXPORTER_OTLP_ENDPOINT,
			serviceName: vars.OTEL_SERVICE_NAME,
			share: vars.OTEL_TRACES_SAMPLER_ARG,
		},
		publicUrl: vars.PUBLIC_URL,
		corsOrigins: vars.CORS_ORIGINS,
		drainSeconds: vars.DRAIN_SECONDS,
		issuers: vars.OIDC_ISSUERS,
		trustedProxies: vars.TRUSTED_PROXIES,
		rates: {
			token: vars.RATE_LIMIT_TOKEN,
			tenant: vars.RATE_LIMIT_TENANT,
			failures: vars.RATE_LIMIT_FAILURES,
		},
		dataDir,
		toolchainDir: resolve(vars.TOOLCHAIN_DIR ?? join(dataDir, "toolchain")),
		target: {
			kubeconfig: vars.TARGET_KUBECONFIG,
			name: vars.TARGET_NAME,
			domain: vars.TARGET_DOMAIN,
			ingressClass: vars.TARGET_INGRESS_CLASS,
			storageClass: vars.TARGET_STORAGE_CLASS,
			settings: vars.TARGET_SETTINGS,
			pullSecret: vars.TARGET_PULL_SECRET,
		},
		awsPluginBin: vars.PULUMI_RESOURCE_AWS_BIN,
		workerChildren: vars.WORKER_CHILDREN,
		engineGraceMs:
			vars.ENGINE_GRACE_SECONDS && vars.ENGINE_GRACE_SECONDS * 1_000,
		statePort: vars.STATE_PORT,
		webhookTargets: {
			allowedHosts: vars.WEBHOOK_ALLOWED_HOSTS ?? [],
			allowedCidrs: vars.WEBHOOK_ALLOWED_CIDRS ?? [],
			allowsHttp: vars.WEBHOOK_ALLOW_HTTP === "true",
		},
		cores: availableParallelism(),
		logLevel: vars.LOG_LEVEL,
		environment: () => environment,
		secrets: () => ({ sealKey: vars.SEAL_KEY, aws: readAws(vars) }),
	});
}

function readAws(vars: z.output<typeof variables>): AwsAccess | undefined {
	const {
		TARGET_AWS_REGION: region,
		TARGET_AWS_ACCESS_KEY_ID: accessKeyId,
		TARGET_AWS_SECRET_ACCESS_KEY: secretAccessKey,
		TARGET_AWS_ENDPOINT: endpoint = null,
	} = vars;
	return region === undefined ||
		accessKeyId === undefined ||
		secretAccessKey === undefined
		? undefined
		: { region, accessKeyId, secretAccessKey, endpoint };
}
