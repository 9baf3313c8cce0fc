// Types, lint and format: what a machine refuses before any test runs.
import { spawnSync } from "node:child_process";
import { resolve } from "node:path";

const root = resolve(import.meta.dirname, "..");
const checks = [
	["tsc", "-p", "."],
	["biome", "check", "--error-on-warnings", "."],
];

for (const [command, ...args] of checks) {
	// Found in node_modules/.bin, which is first on PATH.
	const { status } = spawnSync(command, args, { cwd: root, stdio: "inherit" });
	console.log(`check: ${command} ${status === 0 ? "passed" : "failed"}`);
	if (status !== 0) process.exitCode = 1;
}
