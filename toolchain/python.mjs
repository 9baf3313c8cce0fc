// Programs from PyPI, each in a folder of its own: a virtual environment below the toolchain's folder.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { withLock } from "./lock-file.mjs";

/**
 * Installs the packages, pinned as `name==version`, below `dir` unless they are there, and returns the folder of their
 * programs. Safe to run side by side, and again after it was killed. Throws when there is no Python 3 with venv, or no
 * package index.
 */
export async function provideVenv(dir, packages, { name, say }) {
	const home = join(dir, packages.join("-").replaceAll(/[^\w.]+/g, "-"));
	const done = join(home, ".complete");
	mkdirSync(dir, { recursive: true });
	await withLock(`${home}.lock`, { name, say }, () => {
		if (existsSync(done)) return;
		say(`installing ${name} (about a minute)`);
		rmSync(home, { recursive: true, force: true });
		execFileSync("python3", ["-m", "venv", home], { stdio: "inherit" });
		execFileSync(
			join(home, "bin", "pip"),
			["install", "--quiet", "--disable-pip-version-check", ...packages],
			{ stdio: "inherit" },
		);
		writeFileSync(done, "");
	});
	return join(home, "bin");
}
