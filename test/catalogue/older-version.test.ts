// Code that the source tree has not any more is run from its bundle: by the real CLI, and as the real topology.
import assert from "node:assert/strict";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import {
	type BundledCode,
	createBundle,
	openBundle,
} from "../../src/domain/bundle.ts";
import { listBundles } from "../../src/engine/bundle.ts";
import { makeFinder } from "../../src/engine/find-program.ts";
import { makeEngine } from "../../src/engine/pulumi.ts";
import { loadBundle } from "../../src/engine/unpack.ts";
import { Failure } from "../../src/failure.ts";
import {
	givenFolder,
	givenHooks,
	givenInput,
	givenRun,
	outputs,
} from "../engine/given.ts";
import { pluginBin, pulumiBin } from "../engine/toolchain.ts";
import { makeFileState } from "../support/file-state.ts";

const entry = "programs/maestro/blueprint.ts";
const bundleOf = (files: Record<string, string>) =>
	createBundle({ entry, files: new Map(Object.entries(files)) });

/** A program of two files, one of them in TypeScript that must be stripped. */
const old = bundleOf({
	[entry]: `import { ComponentResource } from "@pulumi/pulumi/index.js";
import type { BlueprintInput } from "../../src/domain/blueprint.ts";
import { names } from "./names.ts";
export const createProgram = (input: BlueprintInput) => async () => {
	for (const name of names) new ComponentResource("test:index:Part", name + input.revision);
	return ${JSON.stringify(outputs)};
};
`,
	"programs/maestro/names.ts":
		'export const names: readonly string[] = ["one-of-old-", "two-of-old-"];\n',
});

async function givenEngine(t: TestContext) {
	const folder = await givenFolder(t);
	return makeEngine({
		pulumiBin,
		pluginBin,
		pulumiHome: join(folder, "home"),
		workRoot: join(folder, "work"),
		state: makeFileState({
			root: join(folder, "state"),
			passphrase: "planted-passphrase",
		}),
		environment: process.env,
		findProgram: makeFinder(join(folder, "bundles")),
	});
}

test("the engine runs the code that the digest names, though the source tree has another of that version", async (t) => {
	const engine = await givenEngine(t);
	const hooks = givenHooks();
	const outcome = await engine.up(givenRun({ bundle: old }), hooks);
	assert.deepEqual(outcome.outputs, outputs);
	const created = hooks.events.flatMap((event) =>
		event.type === "resource.created" ? [event.data.name] : [],
	);
	assert.deepEqual(created.sort(), ["one-of-old-1", "two-of-old-1"]);
	// A second time it lies there already.
	const again = await engine.up(givenRun({ bundle: old }), givenHooks());
	assert.equal(again.changes.create, 0);
	await engine.destroy(givenRun({ bundle: old }), givenHooks());
});

test("a version that the source tree does not know runs from its bundle, and without one it is not_set_up", async (t) => {
	const engine = await givenEngine(t);
	const blueprint = { name: "maestro", version: "0.0.1" } as const;
	const outcome = await engine.up(
		givenRun({ blueprint, bundle: old }),
		givenHooks(),
	);
	assert.equal(outcome.changes.create, 2);
	await engine.destroy(givenRun({ blueprint, bundle: old }), givenHooks());
	await assert.rejects(
		engine.up(givenRun({ blueprint }), givenHooks()),
		(error: unknown) => error instanceof Failure && error.code === "not_set_up",
	);
});

test("the whole topology can be unpacked and entered", async (t) => {
	const [current] = listBundles();
	assert.ok(current !== undefined);
	const code: BundledCode = openBundle(current.bundle);
	const changed = createBundle({
		entry: code.entry,
		files: new Map(
			[...code.files].map(([path, text]) => [path, `${text}\n// older\n`]),
		),
	});
	const folder = await givenFolder(t);
	const createProgram = await loadBundle(changed, folder);
	assert.equal(typeof createProgram(givenInput()), "function");
});

test("a file that would lie outside of its folder is refused", async (t) => {
	const bundle = createBundle({
		entry: "a.ts",
		files: new Map([
			["a.ts", "export const createProgram = 1;"],
			["../../stray.ts", ""],
		]),
	});
	await assert.rejects(loadBundle(bundle, await givenFolder(t)), {
		code: "internal",
	});
});

test("code that exports no program is refused", async (t) => {
	await assert.rejects(
		loadBundle(
			bundleOf({ [entry]: "export const a = 1;" }),
			await givenFolder(t),
		),
		{ code: "internal" },
	);
});
