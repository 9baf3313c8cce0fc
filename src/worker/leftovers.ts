// CLI processes that outlived their worker. Each run writes down which process it started, so that the next
// run on the same host can end it: two CLIs on one stack would spoil its state.
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
	endSession,
	findProcess,
	isRunning,
	listSession,
	type ProcessRef,
} from "../processes.ts";

const fileOf = (workRoot: string, stack: string): string =>
	join(workRoot, stack, "cli.json");

interface CliRecord {
	readonly cli: ProcessRef;
	/** The child that started it. */
	readonly owner: ProcessRef;
}

/** Writes down that this process of ours runs for the stack. Synchronous: a crash right after the start must find it. */
export function recordCli(
	workRoot: string,
	stack: string,
	cli: ProcessRef,
): void {
	const owner = findProcess(process.pid);
	writeFileSync(
		fileOf(workRoot, stack),
		JSON.stringify({ stack, cli, owner }),
		{ mode: 0o600 },
	);
}

/** Forgets the process, because nothing of it runs any more. */
export function forgetCli(workRoot: string, stack: string): void {
	rmSync(fileOf(workRoot, stack), { force: true });
}

/**
 * Ends what an earlier run of this stack left running on this host. Whoever holds the stack's lease may call
 * it: then nobody else has a right to a CLI on it. Says whether there was anything.
 */
export function endLeftover(workRoot: string, stack: string): boolean {
	const record = readRecord(fileOf(workRoot, stack));
	if (record === undefined) return false;
	const hasEnded = endCli(record.cli, join(workRoot, stack));
	forgetCli(workRoot, stack);
	return hasEnded;
}

/** Ends what dead workers left running on this host, and lets the living go on. Returns the stacks concerned. */
export function endLeftovers(workRoot: string): string[] {
	let stacks: string[];
	try {
		stacks = readdirSync(workRoot);
	} catch {
		return [];
	}
	return stacks.filter((stack) => {
		const record = readRecord(fileOf(workRoot, stack));
		return (
			record !== undefined &&
			!isRunning(record.owner) &&
			endLeftover(workRoot, stack)
		);
	});
}

/**
 * Ends a CLI and its providers, if they are still what they were: a pid alone may belong to a stranger by
 * now. Providers whose CLI is gone are known by the stack's folder in their environment.
 */
function endCli(cli: ProcessRef, folder: string): boolean {
	if (isRunning(cli)) {
		endSession(cli.pid);
		return true;
	}
	const orphans = listSession(cli.pid).filter(({ pid }) =>
		readEnvironment(pid).includes(folder),
	);
	if (findProcess(cli.pid) !== undefined || orphans.length === 0) return false;
	endSession(cli.pid);
	return true;
}

function readEnvironment(pid: number): string {
	try {
		return readFileSync(`/proc/${pid}/environ`, "utf8");
	} catch {
		return "";
	}
}

/** What a file names; undefined if there is none or it was only half written. */
function readRecord(path: string): CliRecord | undefined {
	try {
		const { cli, owner } = JSON.parse(readFileSync(path, "utf8"));
		return isProcess(cli) && isProcess(owner) ? { cli, owner } : undefined;
	} catch {
		return undefined;
	}
}

const isProcess = (value: unknown): value is ProcessRef =>
	typeof value === "object" &&
	value !== null &&
	"pid" in value &&
	Number.isInteger(value.pid) &&
	"startTime" in value &&
	Number.isInteger(value.startTime);
