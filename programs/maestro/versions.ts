// What the version endpoints of a release must answer.
import type { VersionCheck } from "../../src/domain/blueprint.ts";
import {
	findPromisedVersion,
	type ReleaseImages,
} from "../../src/domain/release.ts";
import { internalUrl } from "./addresses.ts";
import type { Tailored } from "./tailor.ts";

/** One check for each of these processes that documents a version endpoint. */
export function listVersionChecks(
	processes: readonly Tailored[],
	images: ReleaseImages,
): readonly VersionCheck[] {
	return processes
		.filter((process) => process.answersVersion)
		.map((process) => ({
			process: process.name,
			url: `${internalUrl(process.name)}/`,
			version: findPromisedVersion(images[process.name]),
		}));
}
