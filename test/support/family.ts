// A process and all that descends from it, found by who started whom.
import { execFileSync } from "node:child_process";

export interface Relative {
	readonly pid: number;
	readonly args: string;
}

/** The process itself first, then what it started, then what that started. */
export function listFamily(ancestor: number): Relative[] {
	const rows = execFileSync("ps", ["-eo", "pid=,ppid=,args="], {
		encoding: "utf8",
	})
		.split("\n")
		.map((line) => /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line))
		.filter((match) => match !== null)
		.map(([, pid, ppid, args = ""]) => ({
			pid: Number(pid),
			ppid: Number(ppid),
			args,
		}));
	const family: Relative[] = rows.filter(({ pid }) => pid === ancestor);
	for (const { pid } of family) {
		family.push(...rows.filter(({ ppid }) => ppid === pid));
	}
	return family;
}

/** SIGSTOP to each of them, and to what they started meanwhile. Returns them for `wake`. */
export function pause(ancestor: number): Relative[] {
	const paused: Relative[] = [];
	for (;;) {
		const running = listFamily(ancestor).filter(
			({ pid }) => !paused.some((one) => one.pid === pid),
		);
		if (running.length === 0) return paused;
		for (const { pid } of running) {
			signal(pid, "SIGSTOP");
		}
		paused.push(...running);
	}
}

/** SIGCONT, the youngest first. */
export function wake(paused: readonly Relative[]): void {
	for (const { pid } of paused.toReversed()) signal(pid, "SIGCONT");
}

/** One that ended in the meantime needs no signal. */
function signal(pid: number, name: NodeJS.Signals): void {
	try {
		process.kill(pid, name);
	} catch {}
}
