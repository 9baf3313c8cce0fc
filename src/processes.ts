// What a process that we start may see, what belongs to it, and how all of it is ended.
//
// The unit is the session and not the process group: the Pulumi CLI puts each of its providers into a
// group of its own (RegisterProcessGroup in pulumi's plugin.go), so ending the CLI's group would leave
// them behind. A process that is spawned detached leads a session, and whatever it starts stays in it.
import { readdirSync, readFileSync } from "node:fs";

/** Variables of the machine that our children, the CLI and its providers may see; the rest is ours alone. */
export const inheritedVariables = [
	"PATH",
	"HOME",
	"TMPDIR",
	...["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"].flatMap((name) => [
		name,
		name.toLowerCase(),
	]),
	"SSL_CERT_FILE",
	"SSL_CERT_DIR",
	"NODE_EXTRA_CA_CERTS",
];

/** The part of an environment that a process of ours is given. */
export function pickInherited(
	environment: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
	const picked: Record<string, string> = {};
	for (const name of inheritedVariables) {
		const value = environment[name];
		if (value !== undefined) picked[name] = value;
	}
	return picked;
}

/** A process for sure: a pid alone may have been given to a stranger since. */
export interface ProcessRef {
	readonly pid: number;
	/** In clock ticks since the machine's start; 0 where the system does not tell. */
	readonly startTime: number;
}

interface Stat {
	readonly state: string;
	readonly session: number;
	readonly startTime: number;
}

/** Reads what proc(5) says of a process; undefined if it is gone, or where there is no /proc. */
function readStat(pid: number): Stat | undefined {
	let text: string;
	try {
		text = readFileSync(`/proc/${pid}/stat`, "utf8");
	} catch {
		return undefined;
	}
	// The command's name stands in parentheses and may hold anything, so counting starts after the last one.
	const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
	return {
		state: fields[0] ?? "",
		session: Number(fields[3]),
		startTime: Number(fields[19]),
	};
}

const isAlive = (stat: Stat | undefined): stat is Stat =>
	stat !== undefined && stat.state !== "Z" && stat.state !== "X";

/** Names the process for good; undefined if it is gone. */
export function findProcess(pid: number): ProcessRef | undefined {
	const stat = readStat(pid);
	if (isAlive(stat)) return { pid, startTime: stat.startTime };
	return stat === undefined && sendSignal(pid, 0)
		? { pid, startTime: 0 }
		: undefined;
}

/** Whether exactly this process still runs. */
export function isRunning(ref: ProcessRef): boolean {
	return findProcess(ref.pid)?.startTime === ref.startTime;
}

/** The living members of a session, its leader first. */
export function listSession(session: number): ProcessRef[] {
	let entries: string[];
	try {
		entries = readdirSync("/proc");
	} catch {
		return [];
	}
	return entries
		.filter((entry) => /^\d+$/.test(entry))
		.map(Number)
		.flatMap((pid) => {
			const stat = readStat(pid);
			return isAlive(stat) && stat.session === session
				? [{ pid, startTime: stat.startTime }]
				: [];
		})
		.sort((a, b) => Number(b.pid === session) - Number(a.pid === session));
}

/** Sends a signal and says whether there was somebody to take it. */
export function sendSignal(pid: number, signal: NodeJS.Signals | 0): boolean {
	try {
		return process.kill(pid, signal);
	} catch {
		return false;
	}
}

// A member that is just starting another one is caught by the next pass.
const passes = 5;

/** Kills a session leader and all that it started. Synchronous, so that it works while a process exits. */
export function endSession(session: number): void {
	sendSignal(-session, "SIGKILL");
	for (let pass = 0; pass < passes; pass++) {
		const members = listSession(session);
		if (members.length === 0) return;
		for (const { pid } of members) sendSignal(pid, "SIGKILL");
	}
}
