// What a blueprint's version is to the engine. The entry of each version exports one as `createProgram`.
import type {
	BlueprintInput,
	BlueprintOutputs,
	Pace,
} from "../src/domain/blueprint.ts";

/** Declares a whole environment when it is called inside a Pulumi run, and fulfils with the stack's outputs. */
export type Program = () => Promise<BlueprintOutputs>;

/** Closes a program over its input. It declares nothing yet. Without a pace the program waits for nothing. */
export type ProgramFactory = (input: BlueprintInput, pace?: Pace) => Program;
