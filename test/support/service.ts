// The service as its users run it: real processes with a database, a cluster and a data folder.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import {
	type Client,
	connect,
	Problem,
	type Event as StreamedEvent,
} from "../../client/client.ts";
import { followEvents } from "../../client/events.ts";
import { type Answer, answered, routes } from "./answers.ts";
import { askByPath } from "./ask-by-path.ts";
import { until } from "./until.ts";

const root = resolve(import.meta.dirname, "../..");

export interface Role {
	readonly pid: number;
	/** All that it wrote, to standard output and standard error. */
	readonly output: () => string;
	/** Where it serves, if it does. */
	readonly url: string;
	/** SIGTERM, then waits for its end; returns the exit code. */
	stop(): Promise<number | null>;
	/** SIGKILL to this process alone, and waits until it is gone. */
	kill(): Promise<void>;
}

/** Starts `impresario <role>` and fulfils when it says that it is ready. */
export async function startRole(
	role: string,
	environment: Readonly<Record<string, string>>,
): Promise<Role> {
	const child = spawn(
		process.execPath,
		["--max-semi-space-size=2", "src/main.ts", role],
		{
			cwd: root,
			env: {
				...process.env,
				NODE_TEST_CONTEXT: "",
				// Nobody balances load.
				DRAIN_SECONDS: "0",
				...environment,
			},
			stdio: ["ignore", "pipe", "pipe"],
		},
	);
	const lines: string[] = [];
	const exited = once(child, "exit");
	const ready = new Promise<string>((fulfil, reject) => {
		createInterface({ input: child.stdout }).on("line", (line) => {
			lines.push(line);
			if (/^(serving|working|sweeping|the database is)/.test(line))
				fulfil(line);
		});
		createInterface({ input: child.stderr }).on("line", (line) =>
			lines.push(line),
		);
		child.on("error", reject);
		child.on("exit", (code) =>
			reject(new Error(`${role} ended with ${code}:\n${lines.join("\n")}`)),
		);
	});
	const line = await ready;
	return {
		pid: child.pid ?? 0,
		output: () => lines.join("\n"),
		url: /http:\/\/[^\s,]+/.exec(line)?.[0] ?? "",
		async stop() {
			child.kill("SIGTERM");
			if (isRunning(child)) await exited;
			return child.exitCode;
		},
		async kill() {
			child.kill("SIGKILL");
			if (isRunning(child)) await exited;
		},
	};
}

const isRunning = (child: ChildProcess) =>
	child.exitCode === null && child.signalCode === null;

export interface Surroundings {
	readonly databaseUrl: string;
	readonly kubeconfig: string;
	readonly queueUrl?: string;
	/** Besides. */
	readonly variables?: Readonly<Record<string, string>>;
}

export interface Service {
	readonly dataDir: string;
	readonly environment: Readonly<Record<string, string>>;
	/** The platform admin's token. */
	readonly adminToken: string;
	/** Deletes what is on disk; roles are stopped by who started them. */
	remove(): void;
}

/** A data folder and a migrated database: what the roles of one installation share. */
export async function installService(
	surroundings: Surroundings,
): Promise<Service> {
	const dataDir = mkdtempSync(join(tmpdir(), "impresario-service-"));
	const environment = {
		DATA_DIR: dataDir,
		DATABASE_URL: surroundings.databaseUrl,
		QUEUE_URL: surroundings.queueUrl ?? "",
		TARGET_KUBECONFIG: surroundings.kubeconfig,
		TARGET_DOMAIN: "maestro.localhost",
		PORT: "0",
		LOG_LEVEL: "debug",
		WORKER_CHILDREN: "2",
		// Counted as ever, and never too many: tests ask again and again.
		RATE_LIMIT_TOKEN: "1000000",
		RATE_LIMIT_TENANT: "1000000",
		...surroundings.variables,
	};
	const role = await startRole("migrate", environment);
	await role.stop();
	return {
		dataDir,
		environment,
		adminToken: readFileSync(join(dataDir, "token"), "utf8").trim(),
		remove: () => rmSync(dataDir, { recursive: true, force: true }),
	};
}

/** Someone who calls the API. */
export interface Caller {
	readonly token: string;
	/** Asks once, wherever the service is by then. */
	readonly client: Client;
	/** The same in the words of HTTP, for tables. Any status is an answer. */
	call(method: string, path: string, body?: unknown): Promise<Answer>;
	/** The operation's events, to its end. */
	follow(operation: string): Promise<StreamedEvent[]>;
	/** Waits until the operation is final and returns it. */
	end(operation: string, timeoutMs?: number): Promise<Record<string, unknown>>;
}

/** `findUrl` is asked anew for each call: a service that was started again may have another port. */
export function makeCaller(findUrl: () => string, token: string): Caller {
	const service = () => ({ url: findUrl(), token });
	const client = connect({
		url: "",
		token,
		attempts: 1,
		document: routes,
		fetch: (path, init) => fetch(`${findUrl()}${path}`, init),
	});
	return {
		token,
		client,
		call: (...asked) => answered(askByPath(client, asked)),
		async follow(operation) {
			const events: StreamedEvent[] = [];
			for await (const event of followEvents(
				service(),
				`/v1/operations/${operation}/events`,
			)) {
				events.push(event);
			}
			return events;
		},
		end: (operation, timeoutMs = 120_000) =>
			until(
				`operation ${operation} has ended`,
				async () => {
					const found = await client
						.findOperation({ id: operation })
						.catch(ignoreProblem);
					return typeof found?.finishedAt === "string"
						? { ...found }
						: undefined;
				},
				{ timeoutMs, everyMs: 100 },
			),
	};
}

/** What a service that is not itself for a moment answers. */
function ignoreProblem(error: unknown): undefined {
	if (!(error instanceof Problem)) throw error;
}

/** Makes a tenant and gives one of its people a token. */
export async function givenTenant(
	admin: Caller,
	findUrl: () => string,
	name: string,
): Promise<Caller> {
	const client = connect({ url: findUrl(), token: admin.token });
	await client.createTenant({ body: { name } });
	const { token } = await client.createToken({
		body: { name: `${name} pipeline`, tenant: name, role: "operator" },
	});
	return makeCaller(findUrl, token);
}
