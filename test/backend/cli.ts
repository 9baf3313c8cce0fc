// The real CLI against the backend: plain commands, and updates with an inline program.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
	LocalWorkspace,
	type PulumiCommand,
	type PulumiFn,
	Stack,
} from "@pulumi/pulumi/automation/index.js";
import { version } from "@pulumi/pulumi/version.js";
import { describeClient } from "../../src/backend/client.ts";
import { prepareHome } from "../../src/engine/workspace.ts";
import { endSession, pickInherited } from "../../src/processes.ts";
import { pluginBin, pulumiBin } from "../engine/toolchain.ts";
import { overlookTermination } from "../support/termination.ts";
import { freeProject } from "./given.ts";

export interface Exit {
	readonly code: number | null;
	readonly stdout: string;
	readonly stderr: string;
}

interface Process {
	readonly child: ChildProcess;
	readonly exit: Promise<Exit>;
}

export type Verb = "up" | "preview";

export interface InlineRun {
	/** Throws before the CLI runs. */
	pid(): number;
	readonly exit: Promise<Exit>;
}

/** A folder with its settings, and the credentials of one caller. */
export interface Cli {
	readonly folder: string;
	/** Runs a command to its end. */
	run(...args: string[]): Promise<Exit>;
	/** The same, and throws with what it printed unless it ends well. Returns standard output. */
	succeed(...args: string[]): Promise<string>;
	/** Begins an update of an inline program. */
	start(verb: Verb, program: PulumiFn, ...args: string[]): InlineRun;
	up(program: PulumiFn, ...args: string[]): Promise<Exit>;
	close(): Promise<void>;
}

export interface CliPlace {
	readonly url: string;
	readonly token: string;
	readonly stack: string;
	readonly project?: string;
	readonly environment?: Record<string, string>;
}

export async function openCli(place: CliPlace): Promise<Cli> {
	const folder = await mkdtemp(join(tmpdir(), "impresario-backend-"));
	const work = join(folder, "work");
	await mkdir(work);
	await writeFile(
		join(work, "Pulumi.yaml"),
		`name: ${place.project ?? freeProject}\nruntime: nodejs\n`,
	);
	await prepareHome(join(folder, "home"), pluginBin);
	const environment = {
		...pickInherited(process.env),
		PULUMI_HOME: join(folder, "home"),
		PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
		// The SDK's flags are known only then.
		PULUMI_DEBUG_COMMANDS: "true",
		PULUMI_STACK: place.stack,
		...describeClient({
			url: place.url,
			token: place.token,
			credentialsPath: join(folder, "credentials"),
		}),
		...place.environment,
	};
	const running = new Set<Process>();
	const launch = (args: readonly string[]) => {
		const one = spawnCli(args, work, environment);
		running.add(one);
		one.exit.finally(() => running.delete(one)).catch(() => {});
		return one;
	};

	const start = (
		verb: Verb,
		program: PulumiFn,
		...args: string[]
	): InlineRun => {
		overlookTermination();
		let begun: Process | undefined;
		// The SDK serves the program and asks for a CLI with its address; the rest is done here.
		const command = {
			command: pulumiBin,
			version: null,
			async run(asked: readonly string[]) {
				if (asked[0] !== verb) return { code: 0, stdout: "{}", stderr: "" };
				begun = launch([...asked, ...args]);
				return begun.exit;
			},
		};
		const follow = async () => {
			const workspace = await LocalWorkspace.create({
				workDir: work,
				pulumiCommand: command as unknown as PulumiCommand,
				program,
			});
			Object.defineProperty(workspace, "pulumiVersion", { value: version });
			const stack = await Stack.select(place.stack, workspace);
			stack.info = async () => undefined;
			stack.outputs = async () => ({});
			await (verb === "up" ? stack.up() : stack.preview());
			if (begun === undefined) throw new Error("no CLI was started");
			return begun.exit;
		};
		return {
			pid() {
				if (begun?.child.pid === undefined) throw new Error("no CLI runs");
				return begun.child.pid;
			},
			exit: follow(),
		};
	};

	const cli: Cli = {
		folder: work,
		run: (...args) => launch(args).exit,
		async succeed(...args) {
			const exit = await launch(args).exit;
			if (exit.code !== 0) {
				throw new Error(
					`pulumi ${args.join(" ")} ended with ${exit.code}: ${exit.stderr}${exit.stdout}`,
				);
			}
			return exit.stdout;
		},
		start,
		up: (program, ...args) => start("up", program, ...args).exit,
		async close() {
			// Of a test that failed half-way.
			for (const { child } of running) {
				if (child.pid !== undefined) endSession(child.pid);
			}
			await Promise.allSettled([...running].map(({ exit }) => exit));
			await rm(folder, { recursive: true, force: true });
		},
	};
	return cli;
}

function spawnCli(
	args: readonly string[],
	cwd: string,
	environment: Record<string, string>,
): Process {
	const child = spawn(pulumiBin, [...args, "--non-interactive"], {
		cwd,
		env: environment,
		stdio: ["ignore", "pipe", "pipe"],
		detached: true,
	});
	const output = { stdout: "", stderr: "" };
	for (const name of ["stdout", "stderr"] as const) {
		child[name]?.setEncoding("utf8").on("data", (text: string) => {
			output[name] += text;
		});
	}
	const exit = new Promise<Exit>((fulfil, reject) => {
		child.on("error", reject);
		child.on("close", (code) => fulfil({ code, ...output }));
	});
	return { child, exit };
}
