import assert from "node:assert/strict";
import { test } from "node:test";
import { tailorProcesses } from "../../programs/maestro/tailor.ts";
import { listVersionChecks } from "../../programs/maestro/versions.ts";
import {
	findPromisedVersion,
	upstreamRelease,
} from "../../src/domain/release.ts";
import { givenInput } from "./declared.ts";

const all = tailorProcesses(givenInput("ha"));
const digest = `sha256:${"a".repeat(64)}`;

const promises: readonly (readonly [image: string, version: string | null])[] =
	[
		["maestroserver/server-maestro:0.6.0", "0.6.0"],
		["maestroserver/server-maestro:v0.6.0", "0.6.0"],
		["server-maestro:0.6.0-slow", "0.6.0"],
		["server-maestro:0.6.0-wrong-version", "0.6.0"],
		["registry.example:5000/maestro/server:0.6.1", "0.6.1"],
		[`server-maestro:0.6.0@${digest}`, "0.6.0"],
		["server-maestro:10.20.30", "10.20.30"],
		[`server-maestro@${digest}`, null],
		["registry.example:5000/maestro/server", null],
		["server-maestro:latest", null],
		["server-maestro", null],
		["server-maestro:0.6", null],
		["server-maestro:0.6.0.1", null],
		["server-maestro:release-0.6.0", null],
	];

for (const [image, version] of promises) {
	test(`${image} promises ${version ?? "nothing"}`, () => {
		assert.equal(findPromisedVersion(image), version);
	});
}

test("the seven documented version endpoints are checked, each at its own port", () => {
	const urls = listVersionChecks(
		all,
		upstreamRelease("0.6.0", "0.15.0").images,
	).map(({ process, url, version }) => [process, url, version]);
	assert.deepEqual(urls, [
		["server", "http://server:8888/", "0.6.0"],
		["discovery", "http://discovery:5000/", "0.6.0"],
		["reports", "http://reports:5005/", "0.6.0"],
		["analytics", "http://analytics:5020/", "0.6.0"],
		["analytics-front", "http://analytics-front:9999/", "0.6.0"],
		["data", "http://data:5010/", "0.6.0"],
		["audit", "http://audit:10900/", "0.6.0"],
	]);
});

test("a release whose tags differ promises each process its own", () => {
	const release = upstreamRelease("0.6.0", "0.15.0");
	const images = { ...release.images, server: "server-maestro:0.6.1" };
	const versions = listVersionChecks(all, images).map(({ version }) => version);
	assert.deepEqual(versions.slice(0, 2), ["0.6.1", "0.6.0"]);
});
