// What Maestro's documentation and source ask of a production environment, process by process. Written down here once
// more: not taken from the program that is judged by it.
import type { ProcessName } from "../../../src/domain/release.ts";

type SecretGroup = "jwt" | "datastores" | "uploads" | "externals";

export interface Row {
	/** null: it listens on nothing. */
	readonly port: number | null;
	readonly replicas: 1 | 2;
	readonly probe: "/" | "/health" | "celery" | null;
	readonly strategy: "RollingUpdate" | "Recreate";
	readonly budget: boolean;
	readonly isPublic: boolean;
	/** From which Secrets it takes variables. */
	readonly secrets: readonly SecretGroup[];
	readonly database: string | null;
	readonly waits: readonly string[];
	/** Whether the image starts as root and writes to its own root filesystem. */
	readonly isRoot: boolean;
	/** The least time to end in, in seconds. */
	readonly grace: number;
	/** Variables without which it goes wrong silently. */
	readonly variables: Readonly<Record<string, string | RegExp>>;
}

const api: Row = {
	port: null,
	replicas: 2,
	probe: "/",
	strategy: "RollingUpdate",
	budget: false,
	isPublic: false,
	secrets: ["datastores", "jwt"],
	database: null,
	waits: [],
	isRoot: false,
	grace: 30,
	variables: {},
};
const worker: Row = {
	...api,
	probe: "celery",
	waits: ["wait-for-rabbitmq"],
	// A warm shutdown; an analytics task takes up to a minute.
	grace: 90,
};
const single = { replicas: 1, strategy: "Recreate" } as const;
const s3 = {
	MAESTRO_UPLOAD_TYPE: "S3",
	AWS_S3_BUCKET_NAME: /-uploads$/,
	// One is documented, the other one is read.
	AWS_REGION: "eu-central-1",
	AWS_DEFAULT_REGION: "eu-central-1",
};

export const factSheet: Readonly<Record<ProcessName, Row>> = {
	client: {
		...api,
		port: 80,
		budget: true,
		isPublic: true,
		secrets: [],
		isRoot: true,
		variables: {
			API_URL: /^https:/,
			STATIC_URL: /^https:.*\/$/,
			ANALYTICS_URL: /^https:/,
			WEBSOCKET_URL: /^wss:/,
		},
	},
	server: {
		...api,
		port: 8888,
		budget: true,
		isPublic: true,
		secrets: ["datastores", "externals", "jwt", "uploads"],
		database: "maestro-client",
		waits: ["wait-for-migration"],
		isRoot: true,
		variables: {
			...s3,
			SKIP_MIGRATION: /./,
			API_URL: /^https:/,
			MAESTRO_DISCOVERY_URI: "http://discovery:5000",
			MAESTRO_REPORT_URI: "http://reports:5005",
			MAESTRO_ANALYTICS_URI: "http://analytics:5020",
			MAESTRO_AUDIT_URI: "http://audit:10900",
			SMTP_HOST: "smtp.example.test",
			SMTP_PORT: "465",
			SMTP_SENDER: "maestro@example.test",
			SMTP_USETLS: /./,
		},
	},
	discovery: {
		...api,
		port: 5000,
		variables: { MAESTRO_DATA_URI: "http://data:5010" },
	},
	"discovery-worker": {
		...worker,
		variables: {
			MAESTRO_DATA_URI: "http://data:5010",
			MAESTRO_AUDIT_URI: "http://audit:10900",
			MAESTRO_WEBSOCKET_URI: "http://websocket:8000",
			// Missing in upstream's compose file.
			MAESTRO_SERVER_URI: "http://server:8888",
		},
	},
	reports: {
		...api,
		port: 5005,
		database: "maestro-reports",
		waits: ["wait-for-mongodb"],
	},
	"reports-worker": {
		...worker,
		database: "maestro-reports",
		variables: {
			MAESTRO_DATA_URI: "http://data:5010",
			MAESTRO_REPORT_URI: "http://reports:5005",
			MAESTRO_WEBSOCKET_URI: "http://websocket:8000",
		},
	},
	scheduler: {
		...api,
		...single,
		probe: null,
		database: "maestro-client",
		waits: ["wait-for-mongodb", "wait-for-rabbitmq"],
		variables: { MAESTRO_DATA_URI: "http://data:5010" },
	},
	"scheduler-worker": {
		...worker,
		variables: {
			MAESTRO_DATA_URI: "http://data:5010",
			MAESTRO_DISCOVERY_URI: "http://discovery:5000",
			MAESTRO_REPORT_URI: "http://reports:5005",
			MAESTRO_ANALYTICS_URI: "http://analytics:5020",
		},
	},
	analytics: { ...api, port: 5020 },
	"analytics-worker": {
		...worker,
		variables: {
			MAESTRO_DATA_URI: "http://data:5010",
			MAESTRO_ANALYTICS_FRONT_URI: "http://analytics-front:9999",
			MAESTRO_WEBSOCKET_URI: "http://websocket:8000",
		},
	},
	"analytics-front": {
		...api,
		port: 9999,
		isPublic: true,
		secrets: ["datastores", "jwt", "uploads"],
		database: "maestro-client",
		waits: ["wait-for-mongodb"],
		isRoot: true,
		variables: { ...s3, API_URL: /^https:/, ANALYTICS_URL: /^https:/ },
	},
	data: {
		...api,
		port: 5010,
		budget: true,
		database: "maestro-client",
		waits: ["wait-for-mongodb"],
	},
	audit: {
		...api,
		port: 10900,
		// Its code's default is another process's database.
		database: "maestro-audit",
		waits: ["wait-for-mongodb"],
		isRoot: true,
		variables: { MAESTRO_DATA_URI: "http://data:5010" },
	},
	websocket: {
		...api,
		...single,
		port: 8000,
		probe: "/health",
		isPublic: true,
		secrets: ["jwt"],
		isRoot: true,
		variables: { CENTRIFUGO_HEALTH: "true" },
	},
};

/** Any text is true to them, `false` too. */
export const switches = [
	"SMTP_USETLS",
	"SMTP_IGNORE",
	"SKIP_MIGRATION",
	"MAESTRO_DISCOVERY_DISABLED",
	"MAESTRO_REPORT_DISABLED",
	"MAESTRO_ANALYTICS_DISABLED",
	"MAESTRO_AUDIT_DISABLED",
	"CENTRIFUGO_TLS",
	"CENTRIFUGO_TLSAUTO",
] as const;

export const tokenSecrets = [
	"MAESTRO_SECRETJWT",
	"MAESTRO_SECRETJWT_PRIVATE",
	"MAESTRO_SECRETJWT_PUBLIC",
	"MAESTRO_SECRETJWT_FORGOT",
	"MAESTRO_SECRET_CRYPTO_FORGOT",
	"MAESTRO_NOAUTH",
	"MAESTRO_WEBSOCKET_SECRET",
] as const;

/** Where each token secret must be the same: section 2.1 of the fact sheet. */
export const tokenHolders: Readonly<
	Record<(typeof tokenSecrets)[number], readonly ProcessName[]>
> = {
	MAESTRO_SECRETJWT: [
		"analytics-front",
		"discovery",
		"discovery-worker",
		"server",
		"websocket",
	],
	MAESTRO_SECRETJWT_PRIVATE: [
		"analytics",
		"analytics-front",
		"analytics-worker",
		"audit",
		"data",
		"discovery",
		"discovery-worker",
		"reports",
		"reports-worker",
		"scheduler",
		"scheduler-worker",
		"server",
	],
	MAESTRO_SECRETJWT_PUBLIC: ["analytics-front", "server"],
	MAESTRO_SECRETJWT_FORGOT: ["server"],
	MAESTRO_SECRET_CRYPTO_FORGOT: ["server"],
	MAESTRO_NOAUTH: [
		"analytics",
		"analytics-front",
		"analytics-worker",
		"audit",
		"data",
		"discovery",
		"discovery-worker",
		"reports",
		"reports-worker",
		"scheduler",
		"scheduler-worker",
		"server",
	],
	MAESTRO_WEBSOCKET_SECRET: [
		"analytics-worker",
		"discovery-worker",
		"reports-worker",
		"websocket",
	],
};
