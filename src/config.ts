// Variables become one checked value, here and nowhere else. Nothing else in the service reads a variable.
import { availableParallelism } from "node:os";
import { join, resolve } from "node:path";
import { z } from "zod";
import { dnsLabel } from "./domain/names.ts";
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

const variables = z.object({
	DATABASE_URL: z
		.string()
		.regex(/^postgres(ql)?:\/\//, "must be a postgres:// URL")
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
	DATA_DIR: z.string().default(".impresario"),
	TOOLCHAIN_DIR: z.string().optional(),
	TARGET_KUBECONFIG: z.string().optional(),
	TARGET_NAME: dnsLabel(63).optional(),
	TARGET_DOMAIN: z
		.string()
		.max(150)
		.regex(
			/^([a-z0-9]([-a-z0-9]*[a-z0-9])?\.)*[a-z0-9]([-a-z0-9]*[a-z0-9])?$/,
			"must be a domain name",
		)
		.optional(),
	TARGET_INGRESS_CLASS: z.string().optional(),
	TARGET_STORAGE_CLASS: z.string().optional(),
	SEAL_KEY: z.string().optional(),
	STATE_PORT: wholeNumber(0, 65_535).default(0),
	WORKER_CHILDREN: wholeNumber(1, 64).optional(),
	LOG_LEVEL: z
		.enum(["trace", "debug", "info", "warn", "error", "fatal", "silent"])
		.optional(),
});

export interface Config {
	/** Undefined: the sandbox's own. */
	readonly databaseUrl: string | undefined;
	/** Undefined: the database. */
	readonly queueUrl: string | undefined;
	readonly host: string;
	readonly port: number;
	readonly dataDir: string;
	readonly toolchainDir: string;
	/** Where environments go when it is not the sandbox. `kubeconfig` is a path. */
	readonly target: {
		readonly kubeconfig: string | undefined;
		readonly name: string | undefined;
		readonly domain: string | undefined;
		readonly ingressClass: string | undefined;
		readonly storageClass: string | undefined;
	};
	/** Undefined: decided from cores and memory. */
	readonly workerChildren: number | undefined;
	/** Where a worker keeps the engine's state at the disposal of `pulumi login`, on 127.0.0.1. 0: any free port. */
	readonly statePort: number;
	readonly cores: number;
	readonly logLevel: string | undefined;
	/** The machine's environment, from which the engine's processes get what they need (PATH, HOME, proxies). */
	readonly environment: () => Readonly<Record<string, string | undefined>>;
	/** Kept apart, so that a Config can be printed. */
	readonly secrets: () => { readonly sealKey: string | undefined };
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
		queueUrl: vars.QUEUE_URL,
		host: vars.HOST,
		port: vars.PORT,
		dataDir,
		toolchainDir: resolve(vars.TOOLCHAIN_DIR ?? join(dataDir, "toolchain")),
		target: {
			kubeconfig: vars.TARGET_KUBECONFIG,
			name: vars.TARGET_NAME,
			domain: vars.TARGET_DOMAIN,
			ingressClass: vars.TARGET_INGRESS_CLASS,
			storageClass: vars.TARGET_STORAGE_CLASS,
		},
		workerChildren: vars.WORKER_CHILDREN,
		statePort: vars.STATE_PORT,
		cores: availableParallelism(),
		logLevel: vars.LOG_LEVEL,
		environment: () => environment,
		secrets: () => ({ sealKey: vars.SEAL_KEY }),
	});
}
