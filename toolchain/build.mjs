#!/usr/bin/env node
// Brings the binaries that Impresario runs: what a variable names, what was built before, what PATH
// offers in the pinned version, and otherwise a build from the pinned Go modules beside this file.
//
//   node toolchain/build.mjs [engine] [sandbox] [judges] [--dir DIR]
//
// Without a part it brings engine and sandbox: judges are for the tests alone.
//
// Writes DIR/tools.json, tool name → absolute path. DIR is .impresario/toolchain, or TOOLCHAIN_DIR.
// Safe to run twice and side by side: one builder per module holds a lock, the others wait for it.
// Safe to kill: a module appears in one rename, and Go's build cache keeps what was compiled.
import { execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import {
	accessSync,
	chmodSync,
	constants,
	cpSync,
	existsSync,
	mkdirSync,
	readdirSync,
	readFileSync,
	realpathSync,
	renameSync,
	rmSync,
	statSync,
	writeFileSync,
} from "node:fs";
import { delimiter, dirname, join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { withLock } from "./lock-file.mjs";
import { modules } from "./modules.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const goMinor = 26;
const knownParts = ["engine", "sandbox", "judges"];
const progressEveryMs = 15_000;
const say = (line) => console.log(`toolchain: ${line}`);

class Unusable extends Error {}

/** The name of a module's output folder: whatever decides the binaries' content decides the name. */
function outputName(module) {
	const hash = createHash("sha256");
	const { version, flags, ldflags, embeds, extracts } = module;
	const binaries = module.binaries.map(({ name, pkg, path }) => ({
		name,
		pkg,
		path,
	}));
	hash.update(
		JSON.stringify([
			version,
			flags,
			ldflags,
			embeds,
			extracts,
			binaries,
			process.platform,
			process.arch,
		]),
	);
	for (const file of ["go.mod", "go.sum", "main.go"]) {
		const path = join(here, module.name, file);
		if (existsSync(path)) hash.update(readFileSync(path));
	}
	return `${module.name}-${module.version}-${hash.digest("hex").slice(0, 12)}`;
}

const pathInOutput = (binary) => binary.path ?? `bin/${binary.name}`;

function isExecutable(path) {
	try {
		accessSync(path, constants.X_OK);
		return statSync(path).isFile();
	} catch {
		return false;
	}
}

/** A binary that the operator names by variable. A name that leads nowhere is an error, never ignored. */
function fromVariable(binary) {
	const path = process.env[binary.variable];
	if (path === undefined || path === "") return undefined;
	if (!isExecutable(path)) {
		throw new Unusable(
			`${binary.variable} names ${path}, which is no executable file. Correct it, or unset it to have ${binary.name} ${binary.version} built.`,
		);
	}
	return resolve(path);
}

/** A binary on PATH, if it says that it is of the pinned version. */
function fromPath(binary) {
	for (const folder of (process.env.PATH ?? "").split(delimiter)) {
		const path = join(folder, binary.name);
		if (folder === "" || !isExecutable(path)) continue;
		try {
			const answer = execFileSync(path, binary.versionArgs, {
				encoding: "utf8",
				timeout: 10_000,
				stdio: ["ignore", "pipe", "ignore"],
			});
			const exact = new RegExp(
				`(^|[^0-9.])${binary.version.replaceAll(".", "\\.")}($|[^0-9.])`,
				"m",
			);
			if (exact.test(answer)) return path;
		} catch {
			// It does not run or does not know the question: not ours to use.
		}
	}
	return undefined;
}

/** Looks whether the Go toolchain is there and new enough, before minutes are spent. */
function requireGo(what) {
	let answer;
	try {
		answer = execFileSync("go", ["env", "GOVERSION"], {
			encoding: "utf8",
		}).trim();
	} catch {
		throw new Unusable(
			`Go is needed to build ${what} and was not found on PATH. Install Go 1.${goMinor} or newer (https://go.dev/dl), or name ready binaries by variable: ${modules
				.flatMap((module) => module.binaries.map((binary) => binary.variable))
				.join(", ")}.`,
		);
	}
	const minor = Number(/^go1\.(\d+)/.exec(answer)?.[1] ?? 0);
	if (minor < goMinor) {
		throw new Unusable(
			`Go 1.${goMinor} or newer is needed to build ${what}; this is ${answer}.`,
		);
	}
}

const goEnvironment = {
	...process.env,
	CGO_ENABLED: "0",
	// go.sum decides; a module that it does not know is an error and not a download.
	GOFLAGS: "-mod=readonly -buildvcs=false",
	GOWORK: "off",
};

function go(args, folder) {
	return new Promise((fulfil, reject) => {
		const child = spawn("go", args, {
			cwd: folder,
			env: goEnvironment,
			stdio: ["ignore", "pipe", "pipe"],
		});
		const out = [];
		const tail = [];
		createInterface({ input: child.stdout }).on("line", (line) =>
			out.push(line),
		);
		createInterface({ input: child.stderr }).on("line", (line) => {
			tail.push(line);
			if (tail.length > 20) tail.shift();
		});
		child.on("error", reject);
		child.on("close", (code) => {
			if (code === 0) fulfil(out);
			else
				reject(
					new Unusable(
						`go ${args[0]} failed in ${folder}:\n${tail.join("\n")}`,
					),
				);
		});
	});
}

/** `go build -v` names each package as it is compiled: that is the progress. */
function goBuild(args, folder, onPackage) {
	return new Promise((fulfil, reject) => {
		const child = spawn("go", ["build", "-v", ...args], {
			cwd: folder,
			env: goEnvironment,
			stdio: ["ignore", "ignore", "pipe"],
		});
		const tail = [];
		createInterface({ input: child.stderr }).on("line", (line) => {
			onPackage();
			tail.push(line);
			if (tail.length > 20) tail.shift();
		});
		child.on("error", reject);
		child.on("close", (code) => {
			if (code === 0) fulfil();
			else
				reject(
					new Unusable(`building in ${folder} failed:\n${tail.join("\n")}`),
				);
		});
	});
}

/** Fetches it where no package needed it, so that Go has not done so yet. */
async function moduleFolder(module, folder) {
	const lines = await go(["mod", "download", "-json", module], folder);
	return JSON.parse(lines.join("\n")).Dir;
}

function copyOut(from, to) {
	mkdirSync(dirname(to), { recursive: true });
	cpSync(from, to, { recursive: true });
	makeWritable(to);
}

/** Go keeps its module cache read-only, and a copy inherits that. */
function makeWritable(path) {
	chmodSync(path, statSync(path).isDirectory() ? 0o755 : 0o644);
	if (!statSync(path).isDirectory()) return;
	for (const entry of readdirSync(path)) makeWritable(join(path, entry));
}

const elapsed = (since) => {
	const seconds = Math.round((Date.now() - since) / 1000);
	return seconds < 60
		? `${seconds} s`
		: `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
};

/** Builds one module into a folder beside its place and renames that into the place. */
async function build(module, output, remaining) {
	const started = Date.now();
	const names = module.binaries.map((binary) => binary.name).join(", ");
	say(
		`building ${names} ${module.version} from source (about ${module.minutes} min on two cores when nothing is cached${remaining})`,
	);
	const work = `${output}.building`;
	rmSync(work, { recursive: true, force: true });
	const source = join(work, "source");
	cpSync(join(here, module.name), source, { recursive: true });

	say(`${module.name}: fetching Go modules`);
	// Only what the packages need: not every module that go.mod knows of is to be had.
	const packages = [...new Set(module.binaries.map((binary) => binary.pkg))];
	const total = (
		await go(
			["list", "-deps", ...(module.embeds ? ["-e"] : []), ...packages],
			source,
		)
	).length;
	for (const file of module.embeds ?? []) {
		copyOut(
			join(await moduleFolder(file.module, source), file.from),
			join(source, file.to),
		);
	}
	for (const file of module.extracts ?? []) {
		copyOut(
			join(await moduleFolder(file.module, source), file.from),
			join(work, file.to),
		);
	}

	let compiled = 0;
	const report = () =>
		say(
			`${module.name}: ${compiled === 0 ? "linking or cached" : `${compiled} of at most ${total} packages`}, ${elapsed(started)}${remaining}`,
		);
	const timer = setInterval(report, progressEveryMs);
	try {
		for (const binary of module.binaries) {
			const target = join(work, pathInOutput(binary));
			mkdirSync(dirname(target), { recursive: true });
			await goBuild(
				[
					"-trimpath",
					...(module.flags ?? []),
					"-ldflags",
					module.ldflags,
					"-o",
					target,
					binary.pkg,
				],
				source,
				() => {
					compiled++;
				},
			);
		}
	} finally {
		clearInterval(timer);
	}
	rmSync(source, { recursive: true, force: true });
	rmSync(output, { recursive: true, force: true });
	renameSync(work, output);
	say(`${module.name} ${module.version} is ready after ${elapsed(started)}`);
}

const isBuilt = (module, output) =>
	module.binaries.every((binary) =>
		isExecutable(join(output, pathInOutput(binary))),
	) &&
	(module.extracts ?? []).every((file) => existsSync(join(output, file.to)));

/** The tools of one module, from wherever they are to be had; undefined means that it must be built. */
function locate(module, output) {
	const named = module.binaries.map(fromVariable);
	if (named.every((path) => path !== undefined)) return named;
	if (isBuilt(module, output)) {
		return module.binaries.map(
			(binary, i) => named[i] ?? join(output, pathInOutput(binary)),
		);
	}
	// kwok's stages come with its source only, so a kwok on PATH does not spare the module.
	if (module.extracts !== undefined) return undefined;
	const found = module.binaries.map(
		(binary, i) => named[i] ?? fromPath(binary),
	);
	return found.every((path) => path !== undefined) ? found : undefined;
}

async function main(args) {
	const named = args.filter((arg) => knownParts.includes(arg));
	const parts = new Set(named.length > 0 ? named : ["engine", "sandbox"]);
	const dirFlag = args.indexOf("--dir");
	const dir = resolve(
		dirFlag >= 0
			? args[dirFlag + 1]
			: (process.env.TOOLCHAIN_DIR ??
					join(here, "..", ".impresario", "toolchain")),
	);
	mkdirSync(dir, { recursive: true });
	const wanted = modules.filter((module) => parts.has(module.part));
	const outputs = new Map(
		wanted.map((module) => [
			module,
			join(realpathSync(dir), outputName(module)),
		]),
	);

	const missing = wanted.filter(
		(module) => locate(module, outputs.get(module)) === undefined,
	);
	if (missing.length > 0)
		requireGo(missing.map((module) => module.name).join(", "));
	let minutesLeft = missing.reduce((sum, module) => sum + module.minutes, 0);
	for (const module of missing) {
		const output = outputs.get(module);
		minutesLeft -= module.minutes;
		const remaining =
			minutesLeft > 0 ? `, then about ${minutesLeft} min for the rest` : "";
		await withLock(`${output}.lock`, { name: module.name, say }, async () => {
			if (!isBuilt(module, output)) await build(module, output, remaining);
		});
	}

	const tools = {};
	for (const module of wanted) {
		const paths = locate(module, outputs.get(module));
		module.binaries.forEach((binary, i) => {
			tools[binary.name] = paths[i];
		});
		for (const file of module.extracts ?? [])
			tools[`${module.name}/${file.to}`] = join(outputs.get(module), file.to);
	}
	const manifest = join(dir, "tools.json");
	const known = existsSync(manifest)
		? JSON.parse(readFileSync(manifest, "utf8"))
		: {};
	const next = `${manifest}.${process.pid}`;
	writeFileSync(
		next,
		`${JSON.stringify({ ...known, ...tools }, null, "\t")}\n`,
	);
	renameSync(next, manifest);
}

try {
	await main(process.argv.slice(2));
} catch (error) {
	if (!(error instanceof Unusable)) throw error;
	console.error(`toolchain: ${error.message}`);
	process.exitCode = 1;
}
