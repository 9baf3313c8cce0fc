// PostgreSQL refuses to run as root, which is what a container's user often is. It then runs as another user
// of the machine, and everything it needs must be within that user's reach.
import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { Failure } from "../failure.ts";

export interface RunAs {
	readonly uid: number;
	readonly gid: number;
	/** A command that has to stand before the program's, or nothing. */
	readonly prefix: readonly string[];
}

/**
 * The user as whom PostgreSQL has to run, or undefined when it can run as we do.
 *
 * `paths` are what it must be able to open. If one lies below a folder that is closed to others (as `/root`
 * is), the program keeps the one capability that opens folders. Data that exist decide by their owner.
 *
 * Throws `not_set_up` if there is no such user, or no way to the paths.
 */
export function findPostgresUser(
	data: string,
	paths: readonly string[],
): RunAs | undefined {
	if (process.getuid?.() !== 0) return undefined;
	const user = findOwner(data) ?? findUser("postgres") ?? findUser("nobody");
	if (user === undefined) {
		throw new Failure({
			code: "not_set_up",
			message:
				"PostgreSQL does not run as root, and there is neither a user `postgres` nor a user `nobody` on this machine.",
			untouched: "Nothing was started.",
			advice:
				"Start the service as an ordinary user, add a user `postgres`, or name a PostgreSQL of your own in DATABASE_URL.",
		});
	}
	const closed = paths
		.map((path) => findClosedFolder(path, user))
		.find(Boolean);
	return { ...user, prefix: closed ? openClosedFolders(user, closed) : [] };
}

interface User {
	readonly uid: number;
	readonly gid: number;
}

function findOwner(path: string): User | undefined {
	if (!existsSync(path)) return undefined;
	const { uid, gid } = statSync(path);
	return uid === 0 ? undefined : { uid, gid };
}

function findUser(name: string): User | undefined {
	const line = readFileSync("/etc/passwd", "utf8")
		.split("\n")
		.find((entry) => entry.startsWith(`${name}:`));
	const [, , uid, gid] = line?.split(":") ?? [];
	return uid === undefined || gid === undefined
		? undefined
		: { uid: Number(uid), gid: Number(gid) };
}

/** The first folder above `path` that this user may not pass through. */
function findClosedFolder(path: string, user: User): string | undefined {
	for (let folder = dirname(path); ; folder = dirname(folder)) {
		const { mode, uid, gid } = statSync(folder);
		const bit = uid === user.uid ? 0o100 : gid === user.gid ? 0o010 : 0o001;
		if ((mode & bit) === 0) return folder;
		if (folder === dirname(folder)) return undefined;
	}
}

/**
 * initdb looks at files with access(2), which forgets the capabilities of a process that is not root
 * unless it is told otherwise: hence the securebit (capabilities(7), SECBIT_NO_SETUID_FIXUP).
 */
function openClosedFolders(user: User, closed: string): string[] {
	const setpriv = ["/usr/bin/setpriv", "/bin/setpriv"].find(existsSync);
	if (setpriv === undefined) {
		throw new Failure({
			code: "not_set_up",
			message: `PostgreSQL does not run as root, and the user it would run as may not enter ${closed}.`,
			untouched: "Nothing was started.",
			advice: `Let others pass through that folder (chmod o+x ${closed}), move the project, or start the service as an ordinary user.`,
		});
	}
	return [
		setpriv,
		"--securebits=+no_setuid_fixup",
		`--reuid=${user.uid}`,
		`--regid=${user.gid}`,
		"--clear-groups",
		"--inh-caps=+dac_override",
		"--ambient-caps=+dac_override",
		"--",
	];
}

export interface Command {
	readonly command: string;
	readonly args: readonly string[];
	readonly uid?: number;
	readonly gid?: number;
}

/** The command line, and the user, by which this program is started as `runAs`. */
export function composeCommand(
	program: string,
	args: readonly string[],
	runAs: RunAs | undefined,
): Command {
	if (runAs === undefined) return { command: program, args };
	const [command, ...prefix] = runAs.prefix;
	return command === undefined
		? { command: program, args, uid: runAs.uid, gid: runAs.gid }
		: { command, args: [...prefix, program, ...args] };
}
