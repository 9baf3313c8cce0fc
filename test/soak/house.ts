// What a soak runs on: a sandbox, a queue in Redis, and the roles of one installation, all of its own.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { type Sandbox, startSandbox } from "../../src/sandbox/sandbox.ts";
import { answered } from "../support/answers.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";
import {
	type Caller,
	givenTenant,
	installService,
	makeCaller,
} from "../support/service.ts";
import { until } from "../support/until.ts";
import { type KeptRole, keepRole } from "./keep.ts";

export interface House {
	readonly sandbox: Sandbox;
	readonly roles: readonly KeptRole[];
	readonly admin: Caller;
	readonly tenant: Caller;
	/** Kills Redis and starts an empty one in its place. */
	replaceRedis(): Promise<void>;
	stopRoles(): Promise<void>;
	stop(): Promise<void>;
}

/** `dir` keeps the roles' logs. */
export async function openHouse(
	dir: string,
	options: {
		readonly workers: number;
		/** Updates at a time of each worker. */
		readonly children: number;
		readonly log: (line: string) => void;
	},
): Promise<House> {
	mkdirSync(join(dir, "logs"), { recursive: true });
	const sandbox = await startSandbox({
		dir: join(dir, "sandbox"),
		tools: JSON.parse(
			readFileSync(join(process.env.TOOLCHAIN_DIR ?? "", "tools.json"), "utf8"),
		),
		throwAway: true,
		log: options.log,
	});
	const kubeconfig = join(dir, "deployer.kubeconfig");
	writeFileSync(kubeconfig, sandbox.deployerKubeconfig, { mode: 0o600 });
	let redis: TestRedis = await startRedis();
	const queuePort = Number(new URL(redis.url).port);
	const service = await installService({
		databaseUrl: sandbox.databaseUrl,
		kubeconfig,
		queueUrl: redis.url,
	});
	const port = await findFreePort();
	const keep = (role: string, name: string) =>
		keepRole(role, {
			name,
			environment: {
				...service.environment,
				LOG_LEVEL: "info",
				WORKER_CHILDREN: String(options.children),
				PORT: role === "api" ? String(port) : "0",
			},
			logPath: join(dir, "logs", `${name}.log`),
		});
	const roles = [
		keep("api", "api"),
		keep("scheduler", "scheduler"),
		...Array.from({ length: options.workers }, (_, i) =>
			keep("worker", `worker-${i + 1}`),
		),
	];
	const url = () => `http://127.0.0.1:${port}`;
	const admin = makeCaller(url, service.adminToken);
	await until(
		"the API answers",
		async () => (await answered(admin.client.checkReady())).status === 200,
		{ everyMs: 100 },
	);
	const stopRoles = async () => {
		await Promise.all(roles.map((role) => role.stop()));
	};
	return {
		sandbox,
		roles,
		admin,
		tenant: await givenTenant(admin, url, "soak"),
		async replaceRedis() {
			process.kill(redis.pid, "SIGKILL");
			await redis.stop();
			redis = await startRedis(queuePort);
		},
		stopRoles,
		async stop() {
			await stopRoles();
			service.remove();
			await redis.stop();
			await sandbox.stop();
		},
	};
}

async function findFreePort(): Promise<number> {
	const server = createServer().listen(0, "127.0.0.1");
	await new Promise((fulfil) => server.once("listening", fulfil));
	const address = server.address();
	await new Promise((fulfil) => server.close(fulfil));
	if (address === null || typeof address === "string") {
		throw new Error("no port");
	}
	return address.port;
}
