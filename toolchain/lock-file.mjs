// One process at a time does what several may be asked to do side by side.
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";

const lockPollMs = 500;

function isRunning(pid) {
	try {
		process.kill(pid, 0);
		return true;
	} catch (error) {
		return error.code === "EPERM";
	}
}

/**
 * Runs `work` while no other process of this machine runs what has the same `path`. The lock is a file made with
 * O_EXCL that holds the pid; a lock whose process is gone is taken over. `say` is told once of who is waited for.
 */
export async function withLock(path, { name, say }, work) {
	let announced = false;
	for (;;) {
		try {
			writeFileSync(path, String(process.pid), { flag: "wx" });
			break;
		} catch (error) {
			if (error.code !== "EEXIST") throw error;
		}
		const holder = Number(readLock(path));
		if (holder > 0 && !isRunning(holder)) {
			// Only one of several waiters gets the dead lock's file out of the way; the rest find it gone.
			const stale = `${path}.stale-${process.pid}`;
			try {
				renameSync(path, stale);
				if (readLock(stale) !== String(holder)) renameSync(stale, path);
				else rmSync(stale, { force: true });
			} catch {
				// Another waiter was faster.
			}
			continue;
		}
		if (!announced)
			say(`${name} is being made by process ${holder}, waiting for it`);
		announced = true;
		await delay(lockPollMs);
	}
	try {
		return await work();
	} finally {
		rmSync(path, { force: true });
	}
}

function readLock(path) {
	try {
		return readFileSync(path, "utf8");
	} catch {
		return "";
	}
}
