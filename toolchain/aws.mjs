// What the tests of AWS need: moto, an emulator with AWS's API, and AWS's own command line. Nothing of it is needed to run
// the service.
import { join } from "node:path";
import { provideVenv } from "./python.mjs";

const packages = ["moto[server]==5.2.5", "awscli==1.46.3"];

/**
 * Installs what is missing below `dir` and returns the variables by which the tests find it. What the machine names by
 * these variables is taken as it is. Throws as `provideVenv` does.
 */
export async function provideAws(dir, say) {
	const { MOTO_SERVER_BIN, AWS_CLI_BIN } = process.env;
	if (MOTO_SERVER_BIN && AWS_CLI_BIN) return { MOTO_SERVER_BIN, AWS_CLI_BIN };
	const name = "an AWS emulator for the tests";
	const bin = await provideVenv(dir, packages, { name, say });
	return {
		MOTO_SERVER_BIN: join(bin, "moto_server"),
		AWS_CLI_BIN: join(bin, "aws"),
	};
}
