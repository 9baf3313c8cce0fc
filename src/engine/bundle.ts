// Reads the code of a blueprint version from the source tree. Loads none of it, and nothing of Pulumi.
import { readFileSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { entries } from "../../programs/entries.ts";
import type { BlueprintVersion } from "../domain/blueprint.ts";
import { type Bundle, createBundle } from "../domain/bundle.ts";
import type { BlueprintName } from "../domain/spec.ts";
import { Failure } from "../failure.ts";

const root = join(import.meta.dirname, "../..");

// What stays of an import when the types are stripped. Type-only imports lead to nothing that runs.
const importPattern =
	/(?:^|\n)\s*(?:import|export)\s+(?!type\s)(?:[^"';]*?\sfrom\s+)?"(\.[^"]+)"|\bimport\(\s*"(\.[^"]+)"/g;

export interface CataloguedBundle extends BlueprintVersion {
	readonly bundle: Bundle;
}

/** The bundle of every version in the source tree. */
export function listBundles(): CataloguedBundle[] {
	return Object.entries(entries).map(([label, entry]) => {
		const [name, version = ""] = label.split("@");
		return {
			name: name as BlueprintName,
			version,
			bundle: readBundle(entry),
		};
	});
}

/** The bundle of the code that `entry`, a path below `from`, reaches. */
export function readBundle(entry: string, from = root): Bundle {
	const files = new Map<string, string>();
	const visit = (path: string): void => {
		if (files.has(path)) return;
		const text = readFileSync(join(from, path), "utf8");
		files.set(path, text);
		for (const match of text.matchAll(importPattern)) {
			const target = match[1] ?? match[2] ?? "";
			visit(toPath(from, join(from, dirname(path), target)));
		}
	};
	visit(entry);
	return createBundle({ entry, files });
}

function toPath(from: string, file: string): string {
	const path = relative(from, file).split(sep).join("/");
	if (!path.startsWith("../")) return path;
	throw new Failure({
		code: "internal",
		message: `A blueprint's program imports ${file}, which is not part of the source tree.`,
	});
}
