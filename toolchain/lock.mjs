// Completes package-lock.json: names the builds for other platforms that npm leaves out when the registry
// it asked does not have them. Without their names `npm ci` calls the lockfile out of step; with them it
// skips what is not for its platform. Run it after each `npm install`: npm run lock
import { readFileSync, writeFileSync } from "node:fs";

const path = new URL("../package-lock.json", import.meta.url);
const lock = JSON.parse(readFileSync(path, "utf8"));

const systems = [
	"aix",
	"android",
	"darwin",
	"freebsd",
	"linux",
	"netbsd",
	"openbsd",
	"sunos",
	"win32",
];
const processors = [
	"arm64",
	"arm",
	"ia32",
	"loong64",
	"mips64el",
	"ppc64",
	"riscv64",
	"s390x",
	"x64",
];

/** A platform package says in its name what it is for. */
function describe(name, version, parent) {
	const words = name.split(/[^a-z0-9]+/);
	const os = systems.filter((system) => words.includes(system));
	const cpu = processors.filter((processor) => words.includes(processor));
	if (os.length === 0 || cpu.length === 0) {
		throw new Error(
			`${name} does not say what platform it is for; add it to the lockfile by hand`,
		);
	}
	return {
		version,
		cpu,
		...(parent.dev && { dev: true }),
		...(words.includes("musl") && { libc: ["musl"] }),
		optional: true,
		os,
	};
}

const added = [];
for (const parent of Object.values(lock.packages)) {
	for (const [name, version] of Object.entries(
		parent.optionalDependencies ?? {},
	)) {
		const key = `node_modules/${name}`;
		const isExact = /^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version);
		if (key in lock.packages || !isExact) continue;
		lock.packages[key] = describe(name, version, parent);
		added.push(`${name}@${version}`);
	}
}
const sorted = Object.entries(lock.packages).sort(([a], [b]) =>
	a < b ? -1 : 1,
);
lock.packages = Object.fromEntries(sorted);
writeFileSync(path, `${JSON.stringify(lock, null, "\t")}\n`);
console.log(
	added.length === 0
		? "The lockfile is complete."
		: `Added ${added.join(", ")}`,
);
