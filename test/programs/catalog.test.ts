import assert from "node:assert/strict";
import { test } from "node:test";
import { findProgram } from "../../programs/catalog.ts";
import { currentVersions } from "../../src/domain/blueprint.ts";
import { blueprintNames } from "../../src/domain/spec.ts";

test("every blueprint's current version has a program", () => {
	for (const name of blueprintNames) {
		const version = currentVersions[name];
		assert.notEqual(findProgram({ name, version }), undefined, name);
	}
});

test("a version that was never released has no program", () => {
	assert.equal(findProgram({ name: "maestro", version: "0.0.0" }), undefined);
});
