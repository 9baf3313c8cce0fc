// Where the code of each blueprint version begins, from the top of the source tree. Data only: who just wants to
// know what belongs to a version need not load Pulumi.

/** `name@version` → the file that exports `createProgram`. The same versions as in `catalog.ts`. */
export const entries: Readonly<Record<string, string>> = {
	"maestro@1.1.0": "programs/maestro/blueprint.ts",
};
