// npm run bench [-- NAME ...] [--rounds N] [--redis] [--namespaces N,N,…]
//
// Everything is started by the benchmark itself, on 127.0.0.1, and gone when it ends.
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { Failure } from "../src/failure.ts";
import { benchApi } from "./api.ts";
import { benchChange } from "./change.ts";
import { makeCleanup } from "./cleanup.ts";
import { benchHttp } from "./http.ts";
import { benchProgram } from "./program.ts";
import { benchProvision } from "./provision.ts";
import { benchQueue } from "./queue.ts";
import { benchReads } from "./reads.ts";
import {
	noteConditions,
	presentReport,
	type Report,
	writeReport,
} from "./report.ts";
import { benchStart } from "./start.ts";
import type { Bench } from "./surroundings.ts";
import { benchWatcher } from "./watcher.ts";

const benchmarks: Readonly<Record<string, (bench: Bench) => Promise<Report>>> =
	{
		program: benchProgram,
		provision: benchProvision,
		change: benchChange,
		api: benchApi,
		http: benchHttp,
		reads: benchReads,
		queue: benchQueue,
		start: benchStart,
		watcher: benchWatcher,
	};

const tell = (line: string) => process.stderr.write(`bench: ${line}\n`);

const refuse = (message: string) =>
	new Failure({ code: "invalid_request", message });

function parseCommand() {
	const { values, positionals } = parseArgs({
		allowPositionals: true,
		options: {
			rounds: { type: "string", default: "5" },
			redis: { type: "boolean", default: false },
			namespaces: { type: "string", default: "10,100,500" },
		},
	});
	const rounds = Number(values.rounds);
	if (!Number.isInteger(rounds) || rounds < 1 || rounds > 50) {
		throw refuse("--rounds takes a number from 1 to 50.");
	}
	const namespaces = values.namespaces.split(",").map(Number);
	if (!namespaces.every((one, at) => one > (namespaces[at - 1] ?? 0))) {
		throw refuse("--namespaces takes rising numbers, as in 10,100,500.");
	}
	const names = positionals.length > 0 ? positionals : Object.keys(benchmarks);
	const chosen = names.map((name) => {
		const run = benchmarks[name];
		if (run !== undefined) return { name, run };
		throw refuse(
			`There is no benchmark "${name}". There are: ${Object.keys(benchmarks).join(", ")}.`,
		);
	});
	return { rounds, redis: values.redis, namespaces, chosen };
}

function loadTools() {
	const toolchainDir = resolve(
		process.env.TOOLCHAIN_DIR ??
			join(import.meta.dirname, "..", ".impresario", "toolchain"),
	);
	const path = join(toolchainDir, "tools.json");
	return { toolchainDir, tools: JSON.parse(readFileSync(path, "utf8")) };
}

/** Rejects at the first signal. Another one, a second later or more, ends this process without cleaning up. */
function waitForSignal(): Promise<never> {
	const interrupted = Promise.withResolvers<never>();
	let first: number | undefined;
	for (const signal of ["SIGINT", "SIGTERM"] as const) {
		process.on(signal, () => {
			// Whoever signals a process and its group at once means it once.
			if (first !== undefined && performance.now() - first > 1_000) {
				process.exit(130);
			}
			first ??= performance.now();
			interrupted.reject(
				new Failure({ code: "cancelled", message: `Ended by ${signal}.` }),
			);
		});
	}
	// Nobody is waiting for it between two benchmarks.
	interrupted.promise.catch(() => undefined);
	return interrupted.promise;
}

async function main(): Promise<void> {
	const { rounds, redis, namespaces, chosen } = parseCommand();
	const { toolchainDir, tools } = loadTools();
	const interrupted = waitForSignal();
	for (const { name, run } of chosen) {
		tell(`${name}, ${rounds} rounds`);
		const cleanup = makeCleanup(tell);
		const findConditions = noteConditions(tools);
		try {
			const bench = {
				rounds,
				redis,
				namespaces,
				tools,
				toolchainDir,
				cleanup,
				tell,
			};
			const report = await Promise.race([run(bench), interrupted]);
			const conditions = findConditions();
			const path = writeReport(name, report, conditions);
			console.log(`\n# ${name}\n${presentReport(report, conditions)}\n`);
			tell(`every value is in ${path}`);
		} finally {
			await cleanup.run();
		}
	}
}

try {
	await main();
	process.exit(0);
} catch (error) {
	if (error instanceof Failure) tell(error.message);
	else tell(error instanceof Error ? `${error.stack}` : String(error));
	// An interrupted benchmark may still be waiting for what was ended.
	process.exit(1);
}
