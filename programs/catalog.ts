// Which program belongs to a blueprint's version. The engine imports this file and nothing else of the programs.
import type {
	BlueprintInput,
	BlueprintOutputs,
	BlueprintVersion,
} from "../src/domain/blueprint.ts";
import { declareEnvironment } from "./maestro/environment.ts";

/** Declares a whole environment when it is called inside a Pulumi run, and fulfils with the stack's outputs. */
export type Program = () => Promise<BlueprintOutputs>;

/** Closes a program over its input. It declares nothing yet. */
export type ProgramFactory = (input: BlueprintInput) => Program;

// Immutable: a version that was released once keeps its program, so that an older revision stays applicable.
const programs: Readonly<Record<string, ProgramFactory>> = {
	"maestro@1.0.0": (input) => async () => declareEnvironment(input),
};

/** The program of a blueprint's version, or undefined where there is none. */
export function findProgram(
	blueprint: BlueprintVersion,
): ProgramFactory | undefined {
	return programs[`${blueprint.name}@${blueprint.version}`];
}
