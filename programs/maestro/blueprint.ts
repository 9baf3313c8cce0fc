// Where the engine enters the blueprint `maestro`. A version that is kept as a bundle is entered here too.
import type { ProgramFactory } from "../program.ts";
import { declareEnvironment } from "./environment.ts";

export const createProgram: ProgramFactory = (input, pace) => async () =>
	declareEnvironment(input, pace);
