// Memory of a process, as the system counts it (proc(5)). Undefined where there is no /proc.
import { readdirSync, readFileSync } from "node:fs";

function readStatus(pid: number | string): string | undefined {
	try {
		return readFileSync(`/proc/${pid}/status`, "utf8");
	} catch {
		return undefined;
	}
}

/** Resident memory in MiB, without that of its children. */
export function readResidentMiB(pid: number): number | undefined {
	const match = /^VmRSS:\s+(\d+) kB$/m.exec(readStatus(pid) ?? "");
	return match === null ? undefined : Number(match[1]) / 1024;
}

/** The process ids of its direct children. */
function listChildren(pid: number): number[] {
	const entries = readStatus("self") === undefined ? [] : readdirSync("/proc");
	return entries
		.filter((entry) => /^\d+$/.test(entry))
		.filter((entry) =>
			new RegExp(`^PPid:\\s+${pid}$`, "m").test(readStatus(entry) ?? ""),
		)
		.map(Number);
}

/** Of the largest of its direct children. */
export function readLargestChildMiB(pid: number): number | undefined {
	const sizes = listChildren(pid).flatMap(
		(child) => readResidentMiB(child) ?? [],
	);
	return sizes.length === 0 ? undefined : Math.max(...sizes);
}
