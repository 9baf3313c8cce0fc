// The 14 processes of a Maestro Server as a table. Ports, probes, variables and start orders are upstream's;
// whatever differs from upstream's own manifests says why.
import type { Endpoints } from "../../src/domain/environment.ts";
import type { ProcessName } from "../../src/domain/release.ts";

/** Variables whose values come from a Secret. Each of the first seven has a public default: a missing one is silently insecure. */
export const secretVariables = {
	MAESTRO_SECRETJWT: "jwt",
	MAESTRO_SECRETJWT_PRIVATE: "jwt",
	MAESTRO_SECRETJWT_PUBLIC: "jwt",
	MAESTRO_SECRETJWT_FORGOT: "jwt",
	MAESTRO_SECRET_CRYPTO_FORGOT: "jwt",
	MAESTRO_NOAUTH: "jwt",
	MAESTRO_WEBSOCKET_SECRET: "jwt",
	MAESTRO_MONGO_URI: "datastores",
	CELERY_BROKER_URL: "datastores",
	SMTP_USERNAME: "externals",
	SMTP_PASSWORD: "externals",
} as const;
export type SecretVariable = keyof typeof secretVariables;

export type Probe =
	| { readonly kind: "http"; readonly path: string }
	| { readonly kind: "celery" }
	| { readonly kind: "none" };

export interface Process {
	readonly name: ProcessName;
	readonly role: "frontend" | "api" | "worker" | "scheduler" | "gateway";
	/** null: it listens on nothing and has no Service. */
	readonly port: number | null;
	readonly probe: Probe;
	/** false: exactly one, in every size and at every moment, so that it is never rolled but recreated. */
	readonly replicated: boolean;
	readonly disruptionBudget: boolean;
	/** Whether it keeps files: more than one of it needs a store that all of them see. */
	readonly keepsFiles: boolean;
	/** Whether `GET /` tells the version, by upstream's documentation. */
	readonly answersVersion: boolean;
	/** What of it browsers may reach; null: nothing. */
	readonly publicPath: string | null;
	readonly ingressAnnotations: Readonly<Record<string, string>>;
	readonly secrets: readonly SecretVariable[];
	/** Value of MAESTRO_MONGO_DATABASE. Never shared by a ConfigMap: it differs from process to process. */
	readonly database: Database | null;
	/** What must be usable before the process starts: most of them never connect again after a failed first time. */
	readonly waitsFor: readonly Dependency[];
	/** Variables with the base URL of another process. Unset where that one is off. */
	readonly peers: Readonly<Record<string, ProcessName>>;
	/** Variables that are set where a process is off, so that this one does not call it. */
	readonly disabledBy: Readonly<Record<string, ProcessName>>;
	readonly publicUrls: (
		endpoints: Endpoints,
	) => Readonly<Record<string, string | undefined>>;
	/** Only what is to be on: Node code takes any text for true, `false` included. */
	readonly variables: Readonly<Record<string, string>>;
	/** The image's own where undefined. */
	readonly command?: readonly string[];
	readonly graceSeconds: number;
	/** `app`: Python images have an unprivileged user. The others write to their own root filesystem as root. */
	readonly runsAs: "app" | "root";
}

export const databases = [
	"maestro-client",
	"maestro-reports",
	"maestro-audit",
] as const;
export type Database = (typeof databases)[number];
/** `migration` implies `mongodb`: it looks into the database. */
export type Dependency = "mongodb" | "rabbitmq" | "migration";

const serviceAuth = ["MAESTRO_SECRETJWT_PRIVATE", "MAESTRO_NOAUTH"] as const;

const ordinary = {
	probe: { kind: "http", path: "/" },
	replicated: true,
	disruptionBudget: false,
	keepsFiles: false,
	answersVersion: true,
	publicPath: null,
	ingressAnnotations: {},
	database: null,
	waitsFor: [],
	peers: {},
	disabledBy: {},
	publicUrls: () => ({}),
	variables: {},
	graceSeconds: 30,
} as const;

const node = { ...ordinary, role: "api", runsAs: "root" } as const;
const flask = { ...ordinary, role: "api", runsAs: "app" } as const;
const worker = {
	...ordinary,
	role: "worker",
	port: null,
	probe: { kind: "celery" },
	answersVersion: false,
	waitsFor: ["rabbitmq"],
	// `-S` of the scheduler worker's image is dropped: to a worker it is the name of a file to write.
	command: ["celery", "-A", "app.celery", "worker", "-l", "info"],
	// A warm shutdown ends what runs; an analytics task takes up to a minute.
	graceSeconds: 120,
	runsAs: "app",
} as const;

const uploadAnnotations = {
	"nginx.ingress.kubernetes.io/proxy-body-size": "32m",
};

export const processes: readonly Process[] = [
	{
		...ordinary,
		name: "client",
		role: "frontend",
		port: 80,
		disruptionBudget: true,
		answersVersion: false,
		publicPath: "/",
		secrets: [],
		publicUrls: (endpoints) => ({
			API_URL: endpoints.server,
			STATIC_URL: `${endpoints.server}/static/`,
			ANALYTICS_URL: endpoints.analyticsFront,
			WEBSOCKET_URL: endpoints.websocket,
		}),
		runsAs: "root",
	},
	{
		...node,
		name: "server",
		keepsFiles: true,
		port: 8888,
		disruptionBudget: true,
		publicPath: "/",
		ingressAnnotations: uploadAnnotations,
		secrets: [
			"MAESTRO_SECRETJWT",
			"MAESTRO_SECRETJWT_PUBLIC",
			"MAESTRO_SECRETJWT_FORGOT",
			"MAESTRO_SECRET_CRYPTO_FORGOT",
			...serviceAuth,
			"MAESTRO_MONGO_URI",
		],
		database: "maestro-client",
		waitsFor: ["migration"],
		peers: {
			MAESTRO_DISCOVERY_URI: "discovery",
			MAESTRO_REPORT_URI: "reports",
			MAESTRO_ANALYTICS_URI: "analytics",
			MAESTRO_AUDIT_URI: "audit",
		},
		disabledBy: {
			MAESTRO_DISCOVERY_DISABLED: "discovery",
			MAESTRO_REPORT_DISABLED: "reports",
			MAESTRO_ANALYTICS_DISABLED: "analytics",
			MAESTRO_AUDIT_DISABLED: "audit",
		},
		publicUrls: (endpoints) => ({ API_URL: endpoints.server }),
		// Two servers that migrate at once seed twice; a Job migrates.
		variables: { SKIP_MIGRATION: "true" },
	},
	{
		...flask,
		name: "discovery",
		port: 5000,
		secrets: ["MAESTRO_SECRETJWT", ...serviceAuth, "CELERY_BROKER_URL"],
		peers: { MAESTRO_DATA_URI: "data" },
	},
	{
		...worker,
		name: "discovery-worker",
		secrets: [
			"MAESTRO_SECRETJWT",
			...serviceAuth,
			"MAESTRO_WEBSOCKET_SECRET",
			"CELERY_BROKER_URL",
		],
		peers: {
			MAESTRO_DATA_URI: "data",
			MAESTRO_AUDIT_URI: "audit",
			MAESTRO_WEBSOCKET_URI: "websocket",
			// Upstream's compose file lacks it: uploaded ansible and terraform files are fetched from server.
			MAESTRO_SERVER_URI: "server",
		},
	},
	{
		...flask,
		name: "reports",
		port: 5005,
		secrets: [...serviceAuth, "MAESTRO_MONGO_URI", "CELERY_BROKER_URL"],
		database: "maestro-reports",
		waitsFor: ["mongodb"],
	},
	{
		...worker,
		name: "reports-worker",
		// It opens MongoDB when it is imported, and logs a false alarm without the variables.
		secrets: [
			...serviceAuth,
			"MAESTRO_WEBSOCKET_SECRET",
			"MAESTRO_MONGO_URI",
			"CELERY_BROKER_URL",
		],
		database: "maestro-reports",
		peers: {
			MAESTRO_DATA_URI: "data",
			MAESTRO_REPORT_URI: "reports",
			MAESTRO_AUDIT_URI: "audit",
			MAESTRO_WEBSOCKET_URI: "websocket",
		},
	},
	{
		...ordinary,
		name: "scheduler",
		role: "scheduler",
		port: null,
		// It is the container's first process: when it ends, the container is started again.
		probe: { kind: "none" },
		replicated: false,
		answersVersion: false,
		secrets: [...serviceAuth, "MAESTRO_MONGO_URI", "CELERY_BROKER_URL"],
		// Never to be changed: the schedules of a lost job store stay silent.
		database: "maestro-client",
		waitsFor: ["mongodb", "rabbitmq"],
		peers: { MAESTRO_DATA_URI: "data" },
		runsAs: "app",
	},
	{
		...worker,
		name: "scheduler-worker",
		secrets: [...serviceAuth, "CELERY_BROKER_URL"],
		peers: {
			MAESTRO_DATA_URI: "data",
			MAESTRO_DISCOVERY_URI: "discovery",
			MAESTRO_REPORT_URI: "reports",
			MAESTRO_ANALYTICS_URI: "analytics",
		},
	},
	{
		...flask,
		name: "analytics",
		port: 5020,
		// It reads an address of data as well, and calls nobody.
		secrets: [...serviceAuth, "CELERY_BROKER_URL"],
	},
	{
		...worker,
		name: "analytics-worker",
		secrets: [...serviceAuth, "MAESTRO_WEBSOCKET_SECRET", "CELERY_BROKER_URL"],
		peers: {
			MAESTRO_DATA_URI: "data",
			MAESTRO_ANALYTICS_FRONT_URI: "analytics-front",
			MAESTRO_WEBSOCKET_URI: "websocket",
		},
		// Graphs leave memory behind. The variable that upstream documents for it is read by nobody.
		command: [...worker.command, "--max-tasks-per-child=2"],
	},
	{
		...node,
		name: "analytics-front",
		keepsFiles: true,
		port: 9999,
		publicPath: "/",
		ingressAnnotations: uploadAnnotations,
		secrets: [
			"MAESTRO_SECRETJWT",
			"MAESTRO_SECRETJWT_PUBLIC",
			...serviceAuth,
			"MAESTRO_MONGO_URI",
		],
		database: "maestro-client",
		waitsFor: ["mongodb"],
		// Baked into stored graphs: the fallback would be the host under which the worker called.
		publicUrls: (endpoints) => ({
			API_URL: endpoints.server,
			ANALYTICS_URL: endpoints.analyticsFront,
		}),
	},
	{
		...flask,
		name: "data",
		port: 5010,
		disruptionBudget: true,
		secrets: [...serviceAuth, "MAESTRO_MONGO_URI"],
		database: "maestro-client",
		waitsFor: ["mongodb"],
	},
	{
		...node,
		name: "audit",
		port: 10900,
		secrets: [...serviceAuth, "MAESTRO_MONGO_URI"],
		// Its code's default is the inventory's database, where its collections would collide.
		database: "maestro-audit",
		waitsFor: ["mongodb"],
		peers: { MAESTRO_DATA_URI: "data" },
	},
	{
		...ordinary,
		name: "websocket",
		role: "gateway",
		port: 8000,
		probe: { kind: "http", path: "/health" },
		// Its state is in memory: two would each know half of the subscribers.
		replicated: false,
		answersVersion: false,
		// Only where clients connect: `/api` publishes to everybody and is for the workers.
		publicPath: "/connection",
		ingressAnnotations: {
			"nginx.ingress.kubernetes.io/proxy-read-timeout": "3600",
			"nginx.ingress.kubernetes.io/proxy-send-timeout": "3600",
		},
		secrets: ["MAESTRO_SECRETJWT", "MAESTRO_WEBSOCKET_SECRET"],
		// Both are off by default.
		variables: { CENTRIFUGO_HEALTH: "true", CENTRIFUGO_PROMETHEUS: "true" },
		runsAs: "root",
	},
];
