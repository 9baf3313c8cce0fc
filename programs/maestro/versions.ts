// What the version endpoints of a release must answer.
import type { VersionCheck } from "../../src/domain/blueprint.ts";
import type { ReleaseImages } from "../../src/domain/release.ts";
import { internalUrl } from "./addresses.ts";
import type { Tailored } from "./tailor.ts";

/**
 * The version that an image's tag promises: `v0.6.0` and `0.6.0-slow` both promise 0.6.0, the number that the
 * image's package.json carries. null where no such number is in the tag: then nothing is promised.
 */
export function findPromisedVersion(image: string): string | null {
	const [withoutDigest = ""] = image.split("@");
	const name = withoutDigest.slice(withoutDigest.lastIndexOf("/") + 1);
	const tag = name.split(":")[1] ?? "";
	return /^v?(\d+\.\d+\.\d+)(?![\w.])/.exec(tag)?.[1] ?? null;
}

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
