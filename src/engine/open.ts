// The engine of this installation: its programs, and its state in files.
import { join } from "node:path";
import { findProgram } from "../../programs/catalog.ts";
import type { Engine, EngineSettings } from "../domain/engine.ts";
import { listBundles } from "./bundle.ts";
import { makeFileState } from "./file-state.ts";
import type { FindProgram } from "./program.ts";
import { type EngineOptions, makeEngine } from "./pulumi.ts";
import { loadBundle } from "./unpack.ts";

/** An engine that runs the programs of the catalogue, and those that were kept of earlier ones. */
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
		findProgram: makeFinder(join(settings.workRoot, ".bundles")),
		onProcess,
	});
}

/** Looks into the source tree for the code that a digest names, and takes it from its bundle, unpacked below `folder`, if it is not there. */
function makeFinder(folder: string): FindProgram {
	const own = new Map(
		listBundles().map(({ name, version, bundle }) => [
			bundle.digest,
			{ name, version },
		]),
	);
	return (blueprint, bundle) => {
		if (bundle === undefined) return findProgram(blueprint);
		const version = own.get(bundle.digest);
		return version === undefined
			? loadBundle(bundle, folder)
			: findProgram(version);
	};
}
