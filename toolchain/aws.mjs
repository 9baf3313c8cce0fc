// What the tests of AWS need: moto, an emulator with AWS's API, and AWS's own command line, from PyPI into a folder of
// their own. Nothing of it is needed to run the service.
import { execFileSync } from "node:child_process";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const packages = ["moto[server]==5.2.5", "awscli==1.46.3"];

/**
 * Installs what is missing below `dir` and returns the variables by which the tests find it. What the machine names by
 * these variables is taken as it is. Throws when there is no Python 3 with venv, or no package index.
 */
export function provideAws(dir, say) {
	const { MOTO_SERVER_BIN, AWS_CLI_BIN } = process.env;
	if (MOTO_SERVER_BIN && AWS_CLI_BIN) return { MOTO_SERVER_BIN, AWS_CLI_BIN };
	const name = packages.join("-").replaceAll(/[^\w.]+/g, "-");
	const home = join(dir, name);
	const done = join(home, ".complete");
	if (!existsSync(done)) {
		say("installing an AWS emulator for the tests (about a minute)");
		rmSync(home, { recursive: true, force: true });
		execFileSync("python3", ["-m", "venv", home], { stdio: "inherit" });
		execFileSync(
			join(home, "bin", "pip"),
			["install", "--quiet", "--disable-pip-version-check", ...packages],
			{ stdio: "inherit" },
		);
		writeFileSync(done, "");
	}
	return {
		MOTO_SERVER_BIN: join(home, "bin", "moto_server"),
		AWS_CLI_BIN: join(home, "bin", "aws"),
	};
}
