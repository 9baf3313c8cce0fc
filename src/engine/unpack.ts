// Loads a program that is not in the source tree any more, from the bundle that was kept of it.
import { existsSync } from "node:fs";
import {
	mkdir,
	mkdtemp,
	rename,
	rm,
	symlink,
	writeFile,
} from "node:fs/promises";
import { dirname, join, normalize } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { ProgramFactory } from "../../programs/program.ts";
import { type Bundle, openBundle } from "../domain/bundle.ts";
import { Failure } from "../failure.ts";

/**
 * Writes a bundle below `folder`, once, and imports its entry. It runs with the packages of this installation:
 * its own source is what is kept, not the SDKs.
 *
 * Throws `internal` if the bundle is damaged or not a program.
 */
export async function loadBundle(
	bundle: Bundle,
	folder: string,
): Promise<ProgramFactory> {
	const code = openBundle(bundle);
	const place = join(folder, bundle.digest.replace(":", "-"));
	if (!existsSync(place)) await unpack(code.files, place);
	const module: { createProgram?: unknown } = await import(
		pathToFileURL(join(place, code.entry)).href
	);
	if (typeof module.createProgram === "function") {
		return module.createProgram as ProgramFactory;
	}
	throw new Failure({
		code: "internal",
		message: `The code that is kept as ${bundle.digest} exports no program.`,
		untouched: "Nothing was changed.",
	});
}

/** The folder appears in one rename, complete. Two processes may do it at once. */
async function unpack(
	files: ReadonlyMap<string, string>,
	place: string,
): Promise<void> {
	await mkdir(dirname(place), { recursive: true, mode: 0o700 });
	const work = await mkdtemp(`${place}.`);
	try {
		for (const [path, text] of files) {
			const file = join(work, requireInside(path));
			await mkdir(dirname(file), { recursive: true });
			await writeFile(file, text);
		}
		// As in the source tree: the files are ES modules, and packages are found from where they lie.
		await writeFile(join(work, "package.json"), '{ "type": "module" }\n');
		await symlink(findPackages(), join(work, "node_modules"));
		await rename(work, place);
	} catch (error) {
		await rm(work, { recursive: true, force: true });
		if (!existsSync(place)) throw error;
	}
}

function requireInside(path: string): string {
	const clean = normalize(path);
	if (!clean.startsWith("..") && !clean.startsWith("/")) return clean;
	throw new Failure({
		code: "internal",
		message: `A kept program names the file ${path}, which lies outside of it.`,
		untouched: "It was not run, and nothing was changed.",
	});
}

/** The folder from which this process takes its own packages: the engine and the program must share one SDK. */
function findPackages(): string {
	const manifest = fileURLToPath(
		import.meta.resolve("@pulumi/pulumi/package.json"),
	);
	return join(dirname(manifest), "../..");
}
