// The code of a blueprint's version as it is kept: the source files that its entry reaches, as one text. Its digest
// names it. A text and not an archive: what ran can be read, and compared file by file.
import { createHash } from "node:crypto";
import { Failure } from "../failure.ts";

export interface Bundle {
	/** `sha256:` and the hexadecimal digest of the content. */
	readonly digest: string;
	readonly content: string;
}

/** What a bundle holds. Paths are relative, with slashes. */
export interface BundledCode {
	/** The file that exports `createProgram`. */
	readonly entry: string;
	readonly files: ReadonlyMap<string, string>;
}

/** The same code always gives the same text, in whatever order its files were found. */
export function createBundle(code: BundledCode): Bundle {
	const files = [...code.files].sort(([a], [b]) => (a < b ? -1 : 1));
	const content = JSON.stringify({ entry: code.entry, files });
	return { digest: digestOf(content), content };
}

const digestOf = (content: string): string =>
	`sha256:${createHash("sha256").update(content).digest("hex")}`;

/** Throws `internal` if the content is not the one that the digest names: such code is not run. */
export function openBundle({ digest, content }: Bundle): BundledCode {
	if (digestOf(content) !== digest) {
		throw new Failure({
			code: "internal",
			message: `The code that is kept as ${digest} is not the code of that digest: it was changed in the database.`,
			untouched: "It was not run, and nothing was changed.",
			advice: "Restore the table `bundles` from a backup of the database.",
		});
	}
	const { entry, files } = JSON.parse(content) as {
		entry: string;
		files: [string, string][];
	};
	return { entry, files: new Map(files) };
}

/** The paths of the files that only one of the two has, or that differ. */
export function listDifferences(one: Bundle, other: Bundle): string[] {
	const before = openBundle(one).files;
	const after = openBundle(other).files;
	const paths = new Set([...before.keys(), ...after.keys()]);
	return [...paths]
		.filter((path) => before.get(path) !== after.get(path))
		.sort();
}
