// Which code a run gets: that of the source tree, or that which was kept of an earlier one.
import { findProgram } from "../../programs/catalog.ts";
import { listBundles } from "./bundle.ts";
import type { FindProgram } from "./program.ts";
import { loadBundle } from "./unpack.ts";

/** Looks into the source tree for the code that a digest names, and takes it from its bundle, unpacked below `folder`, if it is not there. */
export function makeFinder(folder: string): FindProgram {
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
