// A real Redis of the test run's own.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

export interface TestRedis {
	readonly url: string;
	readonly pid: number;
	stop(): Promise<void>;
}

async function findFreePort(): Promise<number> {
	const server = createServer().listen(0, "127.0.0.1");
	await once(server, "listening");
	const address = server.address();
	server.close();
	await once(server, "close");
	if (address === null || typeof address === "string")
		throw new Error("no port");
	return address.port;
}

export async function startRedis(port?: number): Promise<TestRedis> {
	const dir = mkdtempSync(join(tmpdir(), "impresario-redis-"));
	const chosen = port ?? (await findFreePort());
	const child = spawn(
		process.env.REDIS_SERVER_BIN ?? "redis-server",
		[
			"--port",
			String(chosen),
			"--bind",
			"127.0.0.1",
			"--save",
			"",
			"--dir",
			dir,
			"--maxmemory-policy",
			"noeviction",
		],
		{ stdio: ["ignore", "pipe", "inherit"] },
	);
	const lines = createInterface({ input: child.stdout });
	const said: string[] = [];
	await new Promise<void>((fulfil, reject) => {
		child.on("error", reject);
		child.on("exit", () =>
			reject(new Error(`redis-server ended:\n${said.join("\n")}`)),
		);
		lines.on("line", (line) => {
			said.push(line);
			if (line.includes("Ready to accept connections")) fulfil();
		});
	});
	return {
		url: `redis://127.0.0.1:${chosen}`,
		pid: child.pid ?? 0,
		async stop() {
			if (child.exitCode === null && child.signalCode === null) {
				child.kill("SIGTERM");
				await once(child, "exit");
			}
			rmSync(dir, { recursive: true, force: true });
		},
	};
}
