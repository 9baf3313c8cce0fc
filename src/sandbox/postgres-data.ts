// The data folder of the sandbox's PostgreSQL: made whole or not at all, with a password of its own.
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
	chownSync,
	existsSync,
	readFileSync,
	readlinkSync,
	renameSync,
	rmSync,
	writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { Failure } from "../failure.ts";
import { endProcess, findIdentity } from "./identity.ts";
import type { PostgresBinaries } from "./postgres-binaries.ts";
import { composeCommand, type RunAs } from "./postgres-user.ts";

/** The superuser's name and the database's. */
export const databaseName = "impresario";

export interface DataFolder {
	/** Holds `data` and `password`. */
	readonly dir: string;
	readonly binaries: PostgresBinaries;
	readonly runAs: RunAs | undefined;
}

/**
 * Makes the data folder if it is not there yet, beside its place, and moves it there when it is complete: a
 * crash leaves all of it or nothing. Returns the superuser's password.
 *
 * Throws `not_set_up` if PostgreSQL cannot make it.
 */
export async function openDataFolder(folder: DataFolder): Promise<string> {
	const { dir, binaries } = folder;
	const data = join(dir, "data");
	const next = join(dir, "data.next");
	const passwordPath = join(dir, "password");
	rmSync(next, { recursive: true, force: true });
	if (existsSync(data)) return readFileSync(passwordPath, "utf8").trim();

	const password = makePassword(folder, passwordPath);
	await runTool(folder, binaries.initdb, [
		`--pgdata=${next}`,
		`--username=${databaseName}`,
		`--pwfile=${passwordPath}`,
		"--auth=scram-sha-256",
		"--encoding=UTF8",
		// PostgreSQL's own: a system's locales change with its updates, and the order in an index with them.
		"--locale-provider=builtin",
		"--builtin-locale=C.UTF-8",
		"--locale=C",
		"--no-sync",
	]);
	await runTool(
		folder,
		binaries.postgres,
		["--single", "-D", next, "postgres"],
		`create database ${databaseName}\n`,
	);
	renameSync(next, data);
	return password;
}

/** In a file of its own, so that it never stands on a command line. */
function makePassword({ runAs }: DataFolder, path: string): string {
	const password = randomBytes(24).toString("hex");
	writeFileSync(path, `${password}\n`, { mode: 0o600 });
	if (runAs !== undefined) chownSync(path, runAs.uid, runAs.gid);
	return password;
}

async function runTool(
	{ dir, runAs }: DataFolder,
	program: string,
	programArgs: readonly string[],
	input = "",
): Promise<void> {
	const { command, args, ...user } = composeCommand(
		program,
		programArgs,
		runAs,
	);
	const child = spawn(command, args, {
		cwd: dir,
		env: { PATH: "/usr/bin:/bin", LC_ALL: "C" },
		stdio: ["pipe", "ignore", "pipe"],
		...user,
	});
	child.stdin.on("error", () => undefined);
	child.stdin.end(input);
	const ended = new Promise<string | null>((fulfil) => {
		child.once("error", (error) => fulfil(error.message));
		child.once("close", (code) => fulfil(code === 0 ? null : ""));
	});
	const [failed, said] = await Promise.all([ended, text(child.stderr)]);
	if (failed === null) return;
	throw new Failure({
		code: "not_set_up",
		message: `PostgreSQL could not make its data folder in ${dir}: ${failed || said.trim().split("\n").at(-1)}`,
		untouched: "Nothing was started.",
		advice:
			"Look whether the disk is full or the folder cannot be written, or name a PostgreSQL of your own in DATABASE_URL.",
	});
}

/**
 * Ends a PostgreSQL that runs on these data though our own records do not know it, and removes the pid file
 * of one that is gone: PostgreSQL itself believes a stale one as soon as its pid is anybody's again.
 */
export async function endStrayPostmaster(
	dir: string,
	graceMs: number,
): Promise<void> {
	const data = join(dir, "data");
	const path = join(data, "postmaster.pid");
	if (!existsSync(path)) return;
	const pid = Number(readFileSync(path, "utf8").split("\n")[0]);
	const identity = findIdentity(pid);
	if (identity !== undefined && worksIn(pid, data)) {
		await endProcess({ name: "PostgreSQL", pid, identity }, "SIGINT", graceMs);
	}
	rmSync(path, { force: true });
}

/** A postmaster's working folder is its data folder. */
function worksIn(pid: number, data: string): boolean {
	try {
		return readlinkSync(`/proc/${pid}/cwd`) === data;
	} catch {
		return false;
	}
}
