// The engine of this installation: its programs, and its state with the service.
import { join } from "node:path";
import type { Engine, EngineSettings } from "../domain/engine.ts";
import { makeFinder } from "./find-program.ts";
import { type EngineOptions, makeEngine } from "./pulumi.ts";
import { openServiceState } from "./service-state.ts";

/** An engine that runs the programs of the catalogue, and those that were kept of earlier ones. */
export function openEngine(
	settings: EngineSettings,
	onProcess: NonNullable<EngineOptions["onProcess"]>,
): Engine {
	return makeEngine({
		...settings,
		state: { open: openServiceState },
		findProgram: makeFinder(join(settings.workRoot, ".bundles")),
		onProcess,
	});
}
