// Recognises a process: a pid alone may belong to anybody after a while, a pid with its start time does not.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { Failure } from "../failure.ts";
import { findProcess, sendSignal } from "../processes.ts";

const pollMs = 20;

/**
 * What tells this process from any other that had or will have its pid, on this machine and also after it
 * was booted anew, or undefined if no process has this pid.
 */
export function findIdentity(pid: number): string | undefined {
	if (!Number.isInteger(pid) || pid <= 0) return undefined;
	const found = findProcess(pid);
	if (found === undefined) return undefined;
	if (found.startTime === 0) return askPs(pid);
	const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8");
	return `${boot.trim()}/${found.startTime}`;
}

/** For systems without /proc. */
function askPs(pid: number): string | undefined {
	try {
		const answer = execFileSync(
			"ps",
			["-o", "state=,lstart=", "-p", String(pid)],
			{ encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] },
		);
		const [state, ...started] = answer.trim().split(/\s+/);
		return state === undefined || state.startsWith("Z")
			? undefined
			: started.join(" ");
	} catch {
		return undefined;
	}
}

export interface ProcessRecord {
	readonly name: string;
	readonly pid: number;
	readonly identity: string;
}

export const isRunning = (record: ProcessRecord): boolean =>
	findIdentity(record.pid) === record.identity;

/** Sends a signal to exactly this process. False if it is gone, or its pid is somebody else's by now. */
export function signalProcess(
	record: ProcessRecord,
	signal: NodeJS.Signals,
): boolean {
	return isRunning(record) && sendSignal(record.pid, signal);
}

/**
 * Ends a process that is no child of ours: first politely, after `graceMs` by force. Fulfils when it is gone.
 * Throws `not_set_up` if even force does not help.
 */
export async function endProcess(
	record: ProcessRecord,
	signal: NodeJS.Signals,
	graceMs: number,
): Promise<void> {
	for (const next of [signal, "SIGKILL"] as const) {
		signalProcess(record, next);
		const deadline = Date.now() + graceMs;
		while (isRunning(record) && Date.now() < deadline) await delay(pollMs);
	}
	if (!isRunning(record)) return;
	throw new Failure({
		code: "not_set_up",
		message: `${record.name}, left running by an earlier start as process ${record.pid}, cannot be ended.`,
		untouched: "Its data were left alone.",
		advice: "End it as the user who started it, then start again.",
	});
}
