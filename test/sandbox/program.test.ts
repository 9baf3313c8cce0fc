import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { claimFolder } from "../../src/sandbox/claim.ts";
import { findIdentity } from "../../src/sandbox/identity.ts";
import { type ProgramPlan, startProgram } from "../../src/sandbox/program.ts";
import { until } from "../support/until.ts";
import { makeFolder, readPids } from "./given.ts";

const folder = makeFolder();
const { dir } = folder;
const claim = await claimFolder(dir, { stopSignal: "SIGTERM", graceMs: 1_000 });
after(() => {
	claim.release();
	folder.remove();
});

const logPath = join(dir, "program.log");
const markerPath = join(dir, "marker");

/** A program that writes its arguments and its pid down once it is up. */
const script = `require("node:fs").writeFileSync(${JSON.stringify(markerPath)}, process.argv.slice(1).join(" ") + " " + process.pid); setInterval(() => {}, 1000)`;

const plan = (overrides: Partial<ProgramPlan> = {}): ProgramPlan => ({
	name: "program",
	command: process.execPath,
	args: ["-e", script, "--", "one", "two"],
	cwd: dir,
	logPath,
	isReady: async () => readMarker() !== "",
	...overrides,
});

const readMarker = () => readFileSync(markerPath, "utf8");
const clearMarker = () => writeFileSync(markerPath, "");

test("a program that is killed is started again with the same arguments, and stays away once it is stopped", async () => {
	clearMarker();
	const lines: string[] = [];
	let restarts = 0;
	const program = await startProgram(
		plan({ onRestarted: () => void restarts++ }),
		{ claim, log: (line) => lines.push(line) },
	);
	const { program: firstPid = 0 } = readPids(dir);
	assert.equal(readMarker(), `one two ${firstPid}`);

	clearMarker();
	process.kill(firstPid, "SIGKILL");
	await until("it runs again", () => readMarker() !== "");
	const { program: secondPid = 0 } = readPids(dir);
	assert.notEqual(secondPid, firstPid);
	assert.equal(readMarker(), `one two ${secondPid}`);
	assert.deepEqual(lines, [
		"program ended unexpectedly (SIGKILL), it is started again",
	]);
	await until("it is told that it serves again", () => restarts === 1);

	await program.stop();
	assert.equal(findIdentity(secondPid), undefined);
	assert.deepEqual(readPids(dir), {});
});

test("a program that ends at once is told of with what it said last", async () => {
	const failing = plan({
		args: [
			"-e",
			'console.error("listen: address already in use"); process.exit(3)',
		],
		isReady: async () => false,
	});
	await assert.rejects(startProgram(failing, { claim, log: () => {} }), {
		code: "not_set_up",
		message:
			"program ended before it was ready (exit code 3). Its log says: listen: address already in use",
	});
	assert.deepEqual(readPids(dir), {});
});

test("a program that is not there is told of", async () => {
	const missing = plan({
		command: join(dir, "nowhere"),
		isReady: async () => false,
	});
	await assert.rejects(startProgram(missing, { claim, log: () => {} }), {
		code: "not_set_up",
		message: /ended before it was ready \(spawn .*nowhere ENOENT\)/,
	});
});

test("nothing of the service's environment reaches a program", async () => {
	process.env.SANDBOX_TEST_SECRET = "planted";
	clearMarker();
	const telling = plan({
		args: [
			"-e",
			`require("node:fs").writeFileSync(${JSON.stringify(markerPath)}, JSON.stringify(process.env)); setInterval(() => {}, 1000)`,
		],
	});
	const program = await startProgram(telling, { claim, log: () => {} });
	await program.stop();
	assert.deepEqual(Object.keys(JSON.parse(readMarker())).sort(), [
		"HOME",
		"LC_ALL",
		"PATH",
	]);
});
