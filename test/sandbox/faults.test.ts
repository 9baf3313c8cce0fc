import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import {
	faultPattern,
	faults,
	readImageVersion,
} from "../../src/sandbox/faults.ts";

const digest = `sha256:${"a".repeat(64)}`;

const cases: [string, string | null, string | undefined][] = [
	["maestroserver/server-maestro:0.6.0", "0.6.0", undefined],
	["maestroserver/server-maestro", "latest", undefined],
	["registry.example:5000/server", "latest", undefined],
	["registry.example:5000/server:0.6.0", "0.6.0", undefined],
	[`server@${digest}`, null, undefined],
	[`server:0.6.0@${digest}`, "0.6.0", undefined],
	["server:0.6.0-crash", "0.6.0", "crash"],
	[`server:0.6.0-crash@${digest}`, "0.6.0", "crash"],
	["server:crash", null, "crash"],
	["server:0.6.0-no-such-image", "0.6.0", "no-such-image"],
	["server:0.6.0_never-ready", "0.6.0", "never-ready"],
	["server:0.6.0.slow", "0.6.0", "slow"],
	["server:0.6.0-wrong-version", "0.0.0", "wrong-version"],
	["server:0.6.0-crash-fixed", "0.6.0-crash-fixed", undefined],
	["server:backcrash", "backcrash", undefined],
	["registry.example:5000/crash", "latest", undefined],
	["crash", "latest", undefined],
];

for (const [image, version, fault] of cases) {
	test(`${image.replace(digest, "sha256:…")} answers ${version} and has ${fault ?? "no fault"}`, () => {
		assert.deepEqual(readImageVersion(image), { version, fault });
	});
}

test("kwok's stages know a fault by the same pattern", () => {
	for (const fault of faults.filter((word) => word !== "wrong-version")) {
		const stages = readFileSync(
			join(import.meta.dirname, `../../src/sandbox/stages/fault-${fault}.yaml`),
			"utf8",
		);
		const patterns = [...stages.matchAll(/(?:test\(|regexMatch )"([^"]+)"/g)];
		assert.ok(patterns.length >= 2, fault);
		for (const [, pattern] of patterns) {
			assert.equal(pattern, faultPattern(fault));
		}
	}
});
