// The engine of this installation: its programs, and its state in files.
import { findProgram } from "../../programs/catalog.ts";
import type { Engine, EngineSettings } from "../domain/engine.ts";
import { makeFileState } from "./file-state.ts";
import { type EngineOptions, makeEngine } from "./pulumi.ts";

/** An engine that runs the programs of the catalogue. */
export function openEngine(
	settings: EngineSettings,
	onProcess: NonNullable<EngineOptions["onProcess"]>,
): Engine {
	return makeEngine({
		...settings,
		state: makeFileState({
			root: settings.stateDir,
			passphrase: settings.statePassphrase,
		}),
		findProgram,
		onProcess,
	});
}
