// Roles of the service that are started again whenever they end, as a process manager would.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { resolve } from "node:path";

const root = resolve(import.meta.dirname, "../..");
const restartMs = 500;

export interface KeptRole {
	readonly name: string;
	/** Undefined between its end and its next start. */
	pid(): number | undefined;
	/** How often it had to be started again. */
	restarts(): number;
	/** SIGTERM, and no new start. Fulfils when it is gone. */
	stop(): Promise<void>;
}

/** Starts `impresario <role>`, its output into a file. */
export function keepRole(
	role: string,
	options: {
		readonly name: string;
		readonly environment: Readonly<Record<string, string>>;
		readonly logPath: string;
	},
): KeptRole {
	const output = createWriteStream(options.logPath, { flags: "a" });
	let child: ChildProcess | undefined;
	let timer: NodeJS.Timeout | undefined;
	let restarts = -1;
	let isStopping = false;

	const start = () => {
		restarts++;
		const started = spawn(
			process.execPath,
			["--max-semi-space-size=2", "src/main.ts", role],
			{
				cwd: root,
				env: { ...process.env, ...options.environment },
				stdio: ["ignore", "pipe", "pipe"],
			},
		);
		child = started;
		started.stdout.pipe(output, { end: false });
		started.stderr.pipe(output, { end: false });
		started.on("exit", (code, signal) => {
			output.write(`--- ended with ${signal ?? code}\n`);
			child = undefined;
			if (!isStopping) timer = setTimeout(start, restartMs);
		});
	};
	start();

	return {
		name: options.name,
		pid: () => child?.pid,
		restarts: () => restarts,
		async stop() {
			isStopping = true;
			clearTimeout(timer);
			if (child !== undefined) {
				const gone = once(child, "exit");
				child.kill("SIGTERM");
				await gone;
			}
			output.end();
		},
	};
}
