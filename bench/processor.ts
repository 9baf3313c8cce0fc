// Processor time of a process, as the system counts it (proc(5)): it says what work costs also on a machine that does
// other work besides.
import { readFileSync } from "node:fs";

/** USER_HZ, which is 100 wherever Node runs on Linux. */
const ticksPerSecond = 100;

/** Seconds so far, in all of its threads. */
export function readProcessorSeconds(pid: number): number {
	const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
	const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
	return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}
