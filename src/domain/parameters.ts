// What may be set about an environment beyond its size and release: each with a default, a range and a
// description, published as JSON Schema in the catalogue.
import { z } from "zod";
import { isCronSchedule } from "./cron.ts";
import { type ProcessName, processNames } from "./release.ts";

/** A quantity of storage in whole GiB, as Kubernetes writes it. */
export const storageQuantity = z
	.string()
	.regex(/^[1-9]\d{0,4}Gi$/, "must be whole gibibytes, such as 20Gi");

// `mongodb://` lists several hosts with their ports, which no parser of URLs takes.
const mongodbUri =
	/^mongodb(\+srv)?:\/\/([^@/?#\s]*@)?[A-Za-z0-9.-]+(:\d{1,5})?(,[A-Za-z0-9.-]+(:\d{1,5})?)*(\/[^?#\s]*)?(\?[^#\s]*)?$/;
const rabbitmqUri =
	/^amqps?:\/\/([^@/?#\s]*@)?[A-Za-z0-9.-]+(:\d{1,5})?(\/[^?#\s]*)?(\?[^#\s]*)?$/;

/** Exactly one scheduler and one websocket, always: their replicas are no parameter. */
export const scalable = processNames.filter(
	(name) => name !== "scheduler" && name !== "websocket",
);

export const features = [
	"discovery",
	"reports",
	"analytics",
	"audit",
	"scheduler",
] as const;
export type Feature = (typeof features)[number];

/** The processes of each feature: all of them are there, or none. */
export const featureProcesses: Readonly<
	Record<Feature, readonly ProcessName[]>
> = {
	discovery: ["discovery", "discovery-worker"],
	reports: ["reports", "reports-worker"],
	analytics: ["analytics", "analytics-worker", "analytics-front"],
	audit: ["audit"],
	scheduler: ["scheduler", "scheduler-worker"],
};

/** The features that hand tasks to workers. Without any of them there is no broker. */
export const queues = [
	"discovery",
	"reports",
	"scheduler",
	"analytics",
] as const satisfies readonly Feature[];

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

const cron = z
	.string()
	.max(100)
	.regex(/^(\S+ +){4}\S+$/, {
		error: "must be a cron schedule of five fields",
		abort: true,
	})
	.refine(
		isCronSchedule,
		"must be a cron schedule whose fields are in their ranges",
	);

/** Whether every port that a URI names is one. A policy with another would be refused by the cluster. */
const hasPorts = (uri: string): boolean => {
	const [authority = ""] = uri.slice(uri.indexOf("://") + 3).split(/[/?]/);
	const hosts = authority.slice(authority.lastIndexOf("@") + 1).split(",");
	return hosts
		.map((host) => Number(host.split(":")[1] ?? 1))
		.every((port) => port >= 1 && port <= 65_535);
};
const badPort = "names a port that is not between 1 and 65535";

const secret = (description: string) => ({
	description: `A secret. ${description}`,
	writeOnly: true,
});

const smtp = z.strictObject({
	host: z.hostname("must be a host name"),
	port: z.int().min(1).max(65_535).default(587),
	sender: z.email("must be an e-mail address"),
	username: z.string().min(1).max(256).optional(),
	password: z
		.string()
		.min(1)
		.max(1024)
		.optional()
		.meta(secret("Goes with the user's name.")),
	implicitTls: z
		.boolean()
		.default(false)
		.describe("TLS from the first byte, as on port 465."),
});

const external = z.strictObject({
	mongodb: z
		.string()
		.max(2048)
		.regex(mongodbUri, "must be a mongodb:// or mongodb+srv:// URI")
		.refine(hasPorts, badPort)
		.optional()
		.meta(
			secret(
				"An existing MongoDB 4.4 instead of one in the namespace. Its user may read and write the databases maestro-client, maestro-reports and maestro-audit.",
			),
		),
	rabbitmq: z
		.string()
		.max(2048)
		.regex(rabbitmqUri, "must be an amqp:// or amqps:// URI")
		.refine(hasPorts, badPort)
		.optional()
		.meta(secret("An existing RabbitMQ 3 instead of one in the namespace.")),
});

/** Each by itself; `parameters` sees to it that they do not contradict each other. */
export const fields = z.strictObject({
	replicas: z
		.partialRecord(z.enum(scalable), z.int().min(1).max(20))
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
	smtp: smtp.optional().describe("Without it, Maestro sends no mail."),
	theme: z
		.enum(["lotus", "gold", "wine", "blue", "green", "dark", "orange"])
		.default("lotus")
		.describe("The client's colours."),
	logo: z
		.url({ protocol: /^https$/, error: "must be an https:// URL" })
		.max(2048)
		.optional()
		.describe("The picture on the login page."),
	closedSignUp: z
		.boolean()
		.default(false)
		.describe("Refuses POST /users: nobody can make an account for himself."),
	external: external
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

export type Parameters = z.infer<typeof fields>;

/** What is asked for. Words that contradict each other are refused, each with its place. */
export const parameters = fields.superRefine((wish, context) => {
	for (const { path, message } of findContradictions(wish)) {
		context.addIssue({ code: "custom", path: [...path], message });
	}
});

interface Contradiction {
	readonly path: readonly string[];
	readonly message: string;
}

/** The places of a wish in which its words contradict each other. */
export function findContradictions(wish: Parameters): Contradiction[] {
	const absent = listAbsent(wish.features);
	const found: Contradiction[] = [];
	const refuse = (path: readonly string[], message: string) =>
		found.push({ path, message });
	for (const part of ["replicas", "resources"] as const)
		for (const name of absent)
			if (Object.hasOwn(wish[part], name))
				refuse([part, name], "belongs to a feature that is off");
	for (const store of ["mongodb", "rabbitmq"] as const)
		if (wish.external[store] !== undefined && wish.storage[store] !== undefined)
			refuse(
				["storage", store],
				`has no meaning where external/${store} is given`,
			);
	if (wish.external.rabbitmq !== undefined && !usesBroker(wish.features))
		refuse(
			["external", "rabbitmq"],
			"is used by nothing: every feature with workers is off",
		);
	const { username, password } = wish.smtp ?? {};
	if ((username === undefined) !== (password === undefined))
		refuse(
			["smtp", username === undefined ? "username" : "password"],
			"is missing: a user's name and a password go together",
		);
	return found;
}

/** The processes that an environment does not have. */
export function listAbsent(
	wanted: Parameters["features"],
): ReadonlySet<ProcessName> {
	return new Set(
		features
			.filter((feature) => !wanted[feature])
			.flatMap((feature) => featureProcesses[feature]),
	);
}

export const usesBroker = (wanted: Parameters["features"]): boolean =>
	queues.some((queue) => wanted[queue]);

/** Stands where a secret was given, in a plain column and in answers. */
export const secretMark = "(secret)";

/** JSON Pointers of the values that are secrets: sealed apart, never in a plain column. */
export const secretParameters = [
	"/smtp/password",
	"/external/mongodb",
	"/external/rabbitmq",
] as const;

const mark = z.literal(secretMark).optional();

/** Parameters as they are kept and shown: with a mark for each secret. */
export const shownParameters = fields.extend({
	smtp: smtp.extend({ password: mark }).optional(),
	external: external.extend({ mongodb: mark, rabbitmq: mark }).default({}),
});
export type ShownParameters = z.infer<typeof shownParameters>;

/** Takes the secrets out: what may be shown, and the values by their JSON Pointers. */
export function splitParameters(whole: Parameters): {
	readonly shown: ShownParameters;
	readonly secrets: ReadonlyMap<string, string>;
} {
	const { smtp: mail, external: stores } = whole;
	const values = [mail?.password, stores.mongodb, stores.rabbitmq];
	const secrets = new Map<string, string>();
	secretParameters.forEach((pointer, i) => {
		const value = values[i];
		if (value !== undefined) secrets.set(pointer, value);
	});
	const shown = shownParameters.parse(
		putSecrets(
			whole,
			new Map([...secrets.keys()].map((pointer) => [pointer, secretMark])),
		),
	);
	return { shown, secrets };
}

/** The reverse of `splitParameters`. */
export function joinParameters(
	shown: ShownParameters,
	secrets: ReadonlyMap<string, string>,
): Parameters {
	return putSecrets(shown, secrets);
}

function putSecrets(
	whole: Parameters,
	values: ReadonlyMap<string, string>,
): Parameters {
	const [password, mongodb, rabbitmq] = secretParameters.map((pointer) =>
		values.get(pointer),
	);
	return {
		...whole,
		...(whole.smtp === undefined
			? {}
			: {
					smtp: {
						...whole.smtp,
						...(password === undefined ? {} : { password }),
					},
				}),
		external: {
			...(mongodb === undefined ? {} : { mongodb }),
			...(rabbitmq === undefined ? {} : { rabbitmq }),
		},
	};
}
