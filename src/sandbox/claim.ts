// A folder of the sandbox belongs to one running service at a time, and the processes that were started for
// it are written down beside it: after a hard kill the next owner finds them, recognises them, and ends them.
import {
	linkSync,
	mkdirSync,
	readFileSync,
	renameSync,
	rmSync,
	writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { Failure } from "../failure.ts";
import {
	endProcess,
	findIdentity,
	isRunning,
	type ProcessRecord,
} from "./identity.ts";

export interface Claim {
	/** Writes down a process that was just started. Synchronous: a crash must not come between start and record. */
	record(name: string, pid: number): void;
	forget(pid: number): void;
	/** Gives the folder back. */
	release(): void;
}

/**
 * Makes the folder (mode 0700) if need be, and takes it for this process. Then ends what an earlier owner
 * left running there, the youngest first, each with the signal `stopSignal`, by force after `graceMs`.
 *
 * Throws `not_set_up` if another running service owns the folder, or a left-over cannot be ended.
 */
export async function claimFolder(
	dir: string,
	left: { readonly stopSignal: NodeJS.Signals; readonly graceMs: number },
): Promise<Claim> {
	mkdirSync(dir, { recursive: true, mode: 0o700 });
	const ownerPath = join(dir, "owner.json");
	const processesPath = join(dir, "processes.json");
	takeOwnership(dir, ownerPath);

	try {
		for (const record of readRecords(processesPath).reverse()) {
			await endProcess(record, left.stopSignal, left.graceMs);
		}
	} catch (error) {
		rmSync(ownerPath, { force: true });
		throw error;
	}
	let records: ProcessRecord[] = [];
	const save = () => {
		try {
			replaceFile(processesPath, records);
		} catch {
			// Whoever deletes the folder of a running sandbox loses the records with it, and not the service.
		}
	};
	save();
	return {
		record(name, pid) {
			const identity = findIdentity(pid);
			if (identity !== undefined) records.push({ name, pid, identity });
			save();
		},
		forget(pid) {
			records = records.filter((record) => record.pid !== pid);
			save();
		},
		release() {
			rmSync(processesPath, { force: true });
			rmSync(ownerPath, { force: true });
		},
	};
}

/** A hard link either appears whole or is refused, so no reader meets half an owner. */
function takeOwnership(dir: string, ownerPath: string): void {
	const mine = `${ownerPath}.${process.pid}`;
	const identity = findIdentity(process.pid) ?? "";
	replaceFile(mine, [{ name: "owner", pid: process.pid, identity }]);
	try {
		for (;;) {
			if (tryLink(mine, ownerPath)) return;
			const [owner] = readRecords(ownerPath);
			if (owner !== undefined && isRunning(owner)) {
				throw new Failure({
					code: "not_set_up",
					message: `The folder ${dir} is in use by the running service with process id ${owner.pid}.`,
					untouched: "That service and its data were left alone.",
					advice: "Stop it first, or give this one a folder of its own.",
				});
			}
			moveAside(ownerPath, `${mine}.stale`);
		}
	} finally {
		rmSync(mine, { force: true });
	}
}

function tryLink(from: string, to: string): boolean {
	try {
		linkSync(from, to);
		return true;
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
		throw error;
	}
}

/** Removes a dead owner's file; of several who try, a rename lets only one have it. */
function moveAside(path: string, aside: string): void {
	try {
		renameSync(path, aside);
	} catch {
		return;
	}
	const [moved] = readRecords(aside);
	// A faster newcomer's file may have been moved instead of the dead one: it goes back.
	if (moved !== undefined && isRunning(moved)) tryLink(aside, path);
	rmSync(aside, { force: true });
}

function readRecords(path: string): ProcessRecord[] {
	try {
		const parsed: unknown = JSON.parse(readFileSync(path, "utf8"));
		return Array.isArray(parsed) ? parsed.filter(isRecord) : [];
	} catch {
		return [];
	}
}

const isRecord = (value: unknown): value is ProcessRecord =>
	typeof value === "object" &&
	value !== null &&
	"pid" in value &&
	typeof value.pid === "number" &&
	"identity" in value &&
	typeof value.identity === "string";

function replaceFile(path: string, content: unknown): void {
	const next = `${path}.next`;
	writeFileSync(next, JSON.stringify(content), { mode: 0o600 });
	renameSync(next, path);
}
