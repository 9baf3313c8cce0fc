// Processes below one of ours: victims are looked for there and nowhere else.
import { execFileSync } from "node:child_process";

/** Pids, below `ancestor` and without it, whose command line matches. */
export function findDescendants(ancestor: number, pattern: RegExp): number[] {
	const rows = execFileSync("ps", ["-eo", "pid=,ppid=,args="], {
		encoding: "utf8",
		maxBuffer: 16 * 2 ** 20,
	})
		.split("\n")
		.map((line) => /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line))
		.filter((match) => match !== null)
		.map((match) => ({
			pid: Number(match[1]),
			ppid: Number(match[2]),
			args: match[3] ?? "",
		}));
	const family = new Set([ancestor]);
	for (let grown = true; grown; ) {
		grown = false;
		for (const { pid, ppid } of rows) {
			if (family.has(ppid) && !family.has(pid)) {
				family.add(pid);
				grown = true;
			}
		}
	}
	return rows
		.filter(
			({ pid, args }) =>
				pid !== ancestor && family.has(pid) && pattern.test(args),
		)
		.map(({ pid }) => pid);
}
