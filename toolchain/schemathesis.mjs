// Schemathesis, which judges the API by its document, from PyPI into a folder of its own. Nothing of it is needed to run
// the service.
import { execFileSync } from "node:child_process";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const wanted = "schemathesis==4.32.5";

/**
 * Installs it below `dir` if it is missing, and returns the variable by which it is found. One that the machine names by
 * that variable is taken as it is. Throws when there is no Python 3 with venv, or no package index.
 */
export function provideSchemathesis(dir, say) {
	const { SCHEMATHESIS_BIN } = process.env;
	if (SCHEMATHESIS_BIN) return { SCHEMATHESIS_BIN };
	const home = join(dir, wanted.replaceAll(/[^\w.]+/g, "-"));
	const done = join(home, ".complete");
	if (!existsSync(done)) {
		say("installing Schemathesis (about a minute)");
		rmSync(home, { recursive: true, force: true });
		execFileSync("python3", ["-m", "venv", home], { stdio: "inherit" });
		execFileSync(
			join(home, "bin", "pip"),
			["install", "--quiet", "--disable-pip-version-check", wanted],
			{ stdio: "inherit" },
		);
		writeFileSync(done, "");
	}
	return { SCHEMATHESIS_BIN: join(home, "bin", "schemathesis") };
}
