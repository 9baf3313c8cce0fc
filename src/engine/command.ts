// The Automation API's PulumiCommand, in our own hands: a CLI process whose pid is known, that is stopped
// in two steps and leaves nothing behind, and only one of them per update.
import { type ChildProcess, spawn } from "node:child_process";
import type { PulumiCommand } from "@pulumi/pulumi/automation/index.js";
import { endSession, sendSignal } from "../processes.ts";

/** How a CLI process ended. */
export interface CliExit {
	readonly code: number | null;
	readonly signal: NodeJS.Signals | null;
	/** The last part of what it printed, without end colours. */
	readonly stdout: string;
	readonly stderr: string;
	/** Why it could not be started, as in `ENOENT`. */
	readonly spawnError?: string;
}

export interface CommandOptions {
	/** The CLI's executable. */
	readonly binary: string;
	/** How long after an interrupt the CLI may go on, in milliseconds, before it and its providers are killed. */
	readonly graceMs: number;
	/** Told the CLI's pid as soon as it runs, and undefined once nothing of it runs any more. */
	readonly onProcess: (pid: number | undefined) => void;
}

/** What the SDK calls; its declaration leaves `run` out. */
export interface CliCommand extends PulumiCommand {
	run(
		args: readonly string[],
		cwd: string,
		environment: Record<string, string>,
		onOutput?: (text: string) => void,
		onError?: (text: string) => void,
		signal?: AbortSignal,
	): Promise<CliExit>;
}

// An update needs none of these: the stack is known, the outputs are taken from the program itself and the
// counts from the events. The SDK asks all the same, and is answered without a process.
const answers: Record<string, string> = {
	"stack select": "",
	"stack output": "{}",
	"stack history": "[]",
};

// All that is ever run, and what is added to it. None of it takes a secret as an argument.
const commands: Record<string, readonly string[]> = {
	up: [],
	destroy: [],
	preview: [],
	"stack init": ["--no-select"],
};

// Enough for every message of an update that fails; a chatty provider cannot fill the memory.
const outputLimit = 64 * 1024;

const commandName = (args: readonly string[]): string =>
	args.slice(0, args[0] === "stack" ? 2 : 1).join(" ");

/** A PulumiCommand that runs `up`, `destroy`, `preview` and `stack init` and nothing else. A failed run's exit is found by `findExit`. */
export function makeCommand(options: CommandOptions): CliCommand {
	return {
		command: options.binary,
		// Not asked for: the workspace answers with the pin.
		version: null,
		async run(args, cwd, environment, onOutput, onError, signal) {
			const name = commandName(args);
			const answer = answers[name];
			if (answer !== undefined) return exitOf({ code: 0, stdout: answer });
			const extra = commands[name];
			if (extra === undefined)
				throw new Error(`The engine does not run "pulumi ${name}".`);
			if (signal?.aborted) {
				throw failedRun(exitOf({ code: null, signal: "SIGINT" }));
			}
			const child = spawn(
				options.binary,
				[...args, ...extra, "--non-interactive"],
				{
					cwd,
					env: { ...environment, PULUMI_AUTOMATION_API: "true" },
					stdio: ["ignore", "pipe", "pipe"],
					// Its own session: a Ctrl-C in our terminal does not reach it, and all of it can be ended.
					detached: true,
				},
			);
			const exit = await follow(child, options, {
				onOutput,
				onError,
				signal,
			});
			if (exit.code !== 0) throw failedRun(exit);
			return exit;
		},
	};
}

function exitOf(part: Partial<CliExit>): CliExit {
	return { code: null, signal: null, stdout: "", stderr: "", ...part };
}

const failedRun = (exit: CliExit): Error =>
	new Error("The Pulumi CLI did not end well.", { cause: exit });

/** The exit that a failed run carries; undefined for any other error. */
export function findExit(error: unknown): CliExit | undefined {
	const cause = error instanceof Error ? error.cause : undefined;
	return isExit(cause) ? cause : undefined;
}

const isExit = (value: unknown): value is CliExit =>
	typeof value === "object" &&
	value !== null &&
	"code" in value &&
	"signal" in value &&
	"stderr" in value;

interface Listeners {
	readonly onOutput: ((text: string) => void) | undefined;
	readonly onError: ((text: string) => void) | undefined;
	readonly signal: AbortSignal | undefined;
}

/** Fulfils when the CLI and all that it started are gone. */
function follow(
	child: ChildProcess,
	options: CommandOptions,
	{ onOutput, onError, signal }: Listeners,
): Promise<CliExit> {
	const { promise, resolve } = Promise.withResolvers<CliExit>();
	const stdout = keepTail(child.stdout, onOutput);
	const stderr = keepTail(child.stderr, onError);
	const { pid } = child;
	if (pid !== undefined) options.onProcess(pid);
	const stopObeying = obey(signal, pid, options.graceMs);

	child.on("error", (error: NodeJS.ErrnoException) => {
		// Without a pid there will be no other event.
		if (pid === undefined) {
			stopObeying();
			resolve(exitOf({ spawnError: error.code ?? error.message }));
		}
	});
	child.on("exit", () => {
		stopObeying();
		// A provider that outlived the CLI would also hold the pipes open, and "close" would never come.
		if (pid !== undefined) endSession(pid);
	});
	child.on("close", (code, exitSignal) => {
		options.onProcess(undefined);
		resolve({ code, signal: exitSignal, stdout: stdout(), stderr: stderr() });
	});
	return promise;
}

/** Turns an abort into an interrupt of the CLI, and after the grace into the end of all. Returns how to stop obeying. */
function obey(
	signal: AbortSignal | undefined,
	pid: number | undefined,
	graceMs: number,
): () => void {
	if (signal === undefined || pid === undefined) return () => {};
	let timer: NodeJS.Timeout | undefined;
	const interrupt = () => {
		// To the CLI alone: it asks its providers to cancel and records what was in flight.
		sendSignal(pid, "SIGINT");
		timer = setTimeout(() => endSession(pid), graceMs);
	};
	signal.addEventListener("abort", interrupt, { once: true });
	return () => {
		signal.removeEventListener("abort", interrupt);
		clearTimeout(timer);
	};
}

/** Passes text on and remembers the last part of it; returns how to read that. */
function keepTail(
	stream: NodeJS.ReadableStream | null,
	onText: ((text: string) => void) | undefined,
): () => string {
	let tail = "";
	stream?.setEncoding("utf8");
	stream?.on("data", (text: string) => {
		tail = (tail + text).slice(-outputLimit);
		onText?.(text);
	});
	return () => tail;
}
