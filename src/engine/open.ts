// The engine of this installation: its programs, and its state with the service.
import { findProgram } from "../../programs/catalog.ts";
import type { Engine, EngineSettings } from "../domain/engine.ts";
import { type EngineOptions, makeEngine } from "./pulumi.ts";
import { openServiceState } from "./service-state.ts";

/** An engine that runs the programs of the catalogue. */
export function openEngine(
	settings: EngineSettings,
	onProcess: NonNullable<EngineOptions["onProcess"]>,
): Engine {
	return makeEngine({
		...settings,
		state: { open: openServiceState },
		findProgram,
		onProcess,
	});
}
