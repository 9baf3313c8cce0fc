// Where images come from.
import assert from "node:assert/strict";
import { test } from "node:test";
import { placeImage } from "../../src/domain/release.ts";

const mirror = "registry.example:5000/mirror";
const digest = `sha256:${"a".repeat(64)}`;

const cases: readonly (readonly [image: string, placed: string])[] = [
	[
		"maestroserver/server-maestro:0.6.0",
		`${mirror}/maestroserver/server-maestro:0.6.0`,
	],
	["mongo:4.4.29", `${mirror}/library/mongo:4.4.29`],
	[`mongo@${digest}`, `${mirror}/library/mongo@${digest}`],
	["docker.io/library/mongo:4.4.29", `${mirror}/library/mongo:4.4.29`],
	["docker.io/a/b:1", `${mirror}/a/b:1`],
	["quay.io/a/b:1", "quay.io/a/b:1"],
	["localhost/a/b:1", "localhost/a/b:1"],
	["registry:5000/b:1", "registry:5000/b:1"],
];

for (const [image, placed] of cases) {
	test(`${image} is pulled as ${placed}`, () => {
		assert.equal(placeImage(image, mirror), placed);
		assert.equal(placeImage(image, null), image);
	});
}
