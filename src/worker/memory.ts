// How much memory the machine, or the container, has left.
import { readFileSync } from "node:fs";
import { freemem } from "node:os";

/** Where the kernel tells of the container's group: version 2 of cgroups. */
const cgroup = "/sys/fs/cgroup";

/**
 * In MiB: what the machine could give, and no more than the container may still take. Pages that only cache files count
 * as free, since they make room by themselves.
 */
export function measureFreeMemory(folder: string = cgroup): number {
	const machine = freemem();
	const limit = Number(readIfThere(`${folder}/memory.max`));
	const used = Number(readIfThere(`${folder}/memory.current`));
	// No such group, or one without a limit ("max").
	if (!Number.isFinite(limit) || !Number.isFinite(used)) return toMiB(machine);
	const cached = /^inactive_file (\d+)$/m.exec(
		readIfThere(`${folder}/memory.stat`) ?? "",
	);
	const left = limit - used + Number(cached?.[1] ?? 0);
	return toMiB(Math.max(0, Math.min(machine, left)));
}

const toMiB = (bytes: number): number => Math.floor(bytes / 2 ** 20);

function readIfThere(path: string): string | undefined {
	try {
		return readFileSync(path, "utf8").trim();
	} catch {
		return undefined;
	}
}
