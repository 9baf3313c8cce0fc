// Which program belongs to a blueprint's version. Beside `entries.ts`, the engine imports nothing else of the
// programs.
import type { BlueprintVersion } from "../src/domain/blueprint.ts";
import { createProgram as maestro } from "./maestro/blueprint.ts";
import type { ProgramFactory } from "./program.ts";

// Immutable: a version that has run somewhere keeps its program. A version that is not here any more is run from
// the bundle that was kept of it.
const programs: Readonly<Record<string, ProgramFactory>> = {
	"maestro@1.1.0": maestro,
};

/** The program of a blueprint's version, or undefined where the source tree has none. */
export function findProgram(
	blueprint: BlueprintVersion,
): ProgramFactory | undefined {
	return programs[`${blueprint.name}@${blueprint.version}`];
}
