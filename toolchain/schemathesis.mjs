// Schemathesis, which judges the API by its document. Nothing of it is needed to run the service.
import { join } from "node:path";
import { provideVenv } from "./python.mjs";

const wanted = "schemathesis==4.32.5";

/**
 * Installs it below `dir` if it is missing, and returns the variable by which it is found. One that the machine names by
 * that variable is taken as it is. Throws as `provideVenv` does.
 */
export async function provideSchemathesis(dir, say) {
	const { SCHEMATHESIS_BIN } = process.env;
	if (SCHEMATHESIS_BIN) return { SCHEMATHESIS_BIN };
	const bin = await provideVenv(dir, [wanted], { name: "Schemathesis", say });
	return { SCHEMATHESIS_BIN: join(bin, "schemathesis") };
}
