// What may be set about an environment beyond its size and release: each with a default, a range and a
// description, published as JSON Schema in the catalogue.
import { z } from "zod";
import { processNames } from "./release.ts";

/** A quantity of storage in whole GiB, as Kubernetes writes it. */
export const storageQuantity = z
	.string()
	.regex(/^[1-9]\d{0,4}Gi$/, "must be whole gibibytes, such as 20Gi");

const isUri = (schemes: readonly string[]) => (text: string) => {
	const url = URL.parse(text);
	return (
		url !== null &&
		schemes.some((scheme) => url.protocol === `${scheme}:`) &&
		url.host !== ""
	);
};

/** Exactly one scheduler and one websocket, always: their replicas are no parameter. */
export const scalable = processNames.filter(
	(name) => name !== "scheduler" && name !== "websocket",
);

const replicas = z.int().min(1).max(20);
const cpu = z
	.string()
	.regex(
		/^([1-9]\d{0,4}m|[1-9]\d?)$/,
		"must be a CPU quantity, such as 500m or 2",
	);
const memory = z
	.string()
	.regex(
		/^[1-9]\d{0,4}(Mi|Gi)$/,
		"must be a memory quantity, such as 512Mi or 1Gi",
	);

/** Five fields of cron(5), which is what a CronJob takes. */
const cron = z
	.string()
	.max(100)
	.regex(/^(\S+\s+){4}\S+$/, "must be a cron schedule of five fields");

export const parameters = z.strictObject({
	replicas: z
		.partialRecord(z.enum(scalable), replicas)
		.default({})
		.describe(
			"Replicas per process, instead of the size's. The scheduler and the websocket always have one.",
		),
	resources: z
		.partialRecord(
			z.enum(processNames),
			z.strictObject({ cpu: cpu.optional(), memory: memory.optional() }),
		)
		.default({})
		.describe("Limits per process, instead of the size's."),
	storage: z
		.strictObject({
			mongodb: storageQuantity.optional(),
			rabbitmq: storageQuantity.optional(),
			backups: storageQuantity.optional(),
		})
		.default({})
		.describe(
			"Size of each claim, instead of the size's. A claim can grow and never shrink.",
		),
	smtp: z
		.strictObject({
			host: z.hostname(),
			port: z.int().min(1).max(65_535).default(587),
			sender: z.email(),
			username: z.string().min(1).max(256).optional(),
			password: z.string().min(1).max(1024).optional().describe("A secret."),
			implicitTls: z.boolean().default(false),
		})
		.optional()
		.describe("Without it, Maestro sends no mail."),
	theme: z
		.enum(["lotus", "gold", "wine", "blue", "green", "dark", "orange"])
		.default("lotus")
		.describe("The client's colours."),
	logo: z
		.url({ protocol: /^https$/ })
		.optional()
		.describe("The picture on the login page."),
	closedSignUp: z
		.boolean()
		.default(false)
		.describe(
			"Blocks POST /users at the edge: nobody can make an account for himself.",
		),
	external: z
		.strictObject({
			mongodb: z
				.string()
				.max(2048)
				.refine(
					isUri(["mongodb", "mongodb+srv"]),
					"must be a mongodb:// or mongodb+srv:// URI",
				)
				.optional()
				.describe(
					"A secret. An existing MongoDB instead of one in the namespace.",
				),
			rabbitmq: z
				.string()
				.max(2048)
				.refine(isUri(["amqp", "amqps"]), "must be an amqp:// or amqps:// URI")
				.optional()
				.describe(
					"A secret. An existing broker instead of one in the namespace.",
				),
		})
		.default({})
		.describe(
			"Data stores outside of the namespace, as Maestro's page on production advises.",
		),
	features: z
		.strictObject({
			discovery: z.boolean().default(true),
			reports: z.boolean().default(true),
			analytics: z.boolean().default(true),
			audit: z.boolean().default(true),
			scheduler: z.boolean().default(true),
		})
		.prefault({})
		.describe(
			"A feature that is off has no process at all, and the others are told so.",
		),
	backups: z
		.strictObject({
			enabled: z.boolean().default(true),
			schedule: cron.default("17 3 * * *"),
			retentionDays: z.int().min(1).max(365).default(14),
		})
		.prefault({})
		.describe(
			"When the databases are dumped, and for how long a dump is kept.",
		),
});

export type Parameters = z.infer<typeof parameters>;

/** JSON Pointers of the values that are secrets: sealed apart, never in a plain column. */
export const secretParameters = [
	"/smtp/password",
	"/external/mongodb",
	"/external/rabbitmq",
] as const;
