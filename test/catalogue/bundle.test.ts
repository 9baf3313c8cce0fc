// What belongs to a blueprint's version, and how its code is kept as one text.
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { findProgram } from "../../programs/catalog.ts";
import { entries } from "../../programs/entries.ts";
import { currentVersions } from "../../src/domain/blueprint.ts";
import {
	createBundle,
	listDifferences,
	openBundle,
} from "../../src/domain/bundle.ts";
import { blueprintNames } from "../../src/domain/spec.ts";
import { listBundles, readBundle } from "../../src/engine/bundle.ts";
import { givenFolder } from "../engine/given.ts";

/** A source tree of a few files. */
async function givenTree(
	t: TestContext,
	files: Readonly<Record<string, string>>,
): Promise<string> {
	const root = await givenFolder(t);
	for (const [path, text] of Object.entries(files)) {
		mkdirSync(dirname(join(root, path)), { recursive: true });
		writeFileSync(join(root, path), text);
	}
	return root;
}

test("every blueprint's current version has an entry, and every entry a program", () => {
	for (const name of blueprintNames) {
		assert.ok(entries[`${name}@${currentVersions[name]}`] !== undefined, name);
	}
	for (const { name, version } of listBundles()) {
		assert.ok(findProgram({ name, version }) !== undefined, version);
	}
});

test("the bundle of maestro holds the topology and the rules that it uses, and nothing of the service", () => {
	const maestro = listBundles().find(({ name }) => name === "maestro");
	assert.ok(maestro !== undefined);
	const paths = [...openBundle(maestro.bundle).files.keys()];
	for (const path of [
		"programs/maestro/blueprint.ts",
		"programs/maestro/environment.ts",
		"programs/maestro/processes.ts",
		"src/domain/names.ts",
	]) {
		assert.ok(paths.includes(path), `${path} is missing`);
	}
	const foreign = paths.filter(
		(path) => !/^(programs\/|src\/domain\/|src\/failure\.ts$)/.test(path),
	);
	assert.deepEqual(foreign, []);
});

test("a bundle holds what an entry reaches, by any kind of import, and no file that only types lead to", async (t) => {
	const root = await givenTree(t, {
		"programs/entry.ts":
			'import { a } from "./a.ts";\nimport type { T } from "./types.ts";\nexport { b } from "./b.ts";\nexport const later = () => import("./c.ts");\n',
		"programs/a.ts": 'import "../shared/d.ts";\nexport const a = 1;\n',
		"programs/b.ts": "export const b = 2;\n",
		"programs/c.ts": "export const c = 3;\n",
		"programs/types.ts": "export type T = number;\n",
		"programs/unused.ts": "export const unused = 4;\n",
		"shared/d.ts": "export const d = 5;\n",
	});
	const { entry, files } = openBundle(readBundle("programs/entry.ts", root));
	assert.equal(entry, "programs/entry.ts");
	assert.deepEqual(
		[...files.keys()],
		[
			"programs/a.ts",
			"programs/b.ts",
			"programs/c.ts",
			"programs/entry.ts",
			"shared/d.ts",
		],
	);
});

test("the digest depends on the code alone, not on the order in which it was found", () => {
	const one = createBundle({
		entry: "a.ts",
		files: new Map([
			["a.ts", "1"],
			["b.ts", "2"],
		]),
	});
	const other = createBundle({
		entry: "a.ts",
		files: new Map([
			["b.ts", "2"],
			["a.ts", "1"],
		]),
	});
	assert.equal(one.digest, other.digest);
	assert.match(one.digest, /^sha256:[0-9a-f]{64}$/);
});

test("differences name the files that changed, came and went", () => {
	const bundle = (files: Record<string, string>) =>
		createBundle({ entry: "a.ts", files: new Map(Object.entries(files)) });
	assert.deepEqual(
		listDifferences(
			bundle({ "a.ts": "1", "b.ts": "2", "c.ts": "3" }),
			bundle({ "a.ts": "1", "b.ts": "9", "d.ts": "4" }),
		),
		["b.ts", "c.ts", "d.ts"],
	);
});

test("a bundle that was changed where it is kept is not opened", () => {
	const bundle = createBundle({
		entry: "a.ts",
		files: new Map([["a.ts", "1"]]),
	});
	assert.throws(
		() => openBundle({ ...bundle, content: bundle.content.replace("1", "2") }),
		{ code: "internal" },
	);
});
