// How long `npm start` takes once the packages and the toolchain are there: on an empty data folder, and again
// with what the first start left; and how long it takes to stop.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import type { Report } from "./report.ts";
import type { Readings } from "./statistics.ts";
import { type Bench, makeFolder, secondsSince } from "./surroundings.ts";

const root = resolve(import.meta.dirname, "..");
const patienceMs = 180_000;

/** Lines of its output, by what they say. */
const marks = {
	"  PostgreSQL is up": /^PostgreSQL is up/,
	"  the control plane is up": /control plane is up/,
	"  serves": /^Impresario serves on/,
	"  the demo is ready": /"demo" is ready/,
	"  has said all": /^Ctrl-C stops it/,
} as const;
const lastMark = "  has said all";

export async function benchStart(bench: Bench): Promise<Report> {
	const dir = await makeFolder(bench);
	const first: Readings[] = [];
	const second: Readings[] = [];
	for (let round = 1; round <= bench.rounds; round++) {
		const dataDir = join(dir, String(round));
		first.push(await measure(bench, dataDir));
		second.push(await measure(bench, dataDir));
		rmSync(dataDir, { recursive: true, force: true });
		bench.tell(`round ${round}: done`);
	}
	const table = { unit: "s", digits: 2 };
	return {
		tables: [
			{ ...table, title: "first start", rounds: first },
			{ ...table, title: "second start, data kept", rounds: second },
		],
		notes: [
			"From the process's start, each figure; without npm itself and without the first installation of packages and tools.",
			"stop: SIGTERM until the process has ended, and with it all that it started.",
		],
	};
}

async function measure(bench: Bench, dataDir: string): Promise<Readings> {
	const begun = performance.now();
	const child = await bench.cleanup.keep(
		async () =>
			spawn(process.execPath, ["src/main.ts", "start"], {
				cwd: root,
				env: {
					...process.env,
					DATA_DIR: dataDir,
					TOOLCHAIN_DIR: bench.toolchainDir,
					PORT: "0",
				},
				stdio: ["ignore", "pipe", "pipe"],
				// A Ctrl-C in the terminal is for the benchmark. Two signals would end the service without its clean stop.
				detached: true,
			}),
		stop,
	);
	const seen = await readMarks(child, begun);
	const stopping = performance.now();
	await stop(child);
	if (child.exitCode !== 0) {
		throw new Error(`it ended with ${child.exitCode ?? child.signalCode}`);
	}
	return { ...seen, stop: secondsSince(stopping) };
}

async function stop(child: ChildProcess): Promise<void> {
	if (child.exitCode !== null || child.signalCode !== null) return;
	const ended = once(child, "exit");
	// The cleanup may come in between: a second signal would end the service without its clean stop.
	if (!child.killed) child.kill("SIGTERM");
	await ended;
}

/** When each mark was seen, in seconds. Rejects when the process ends before the last, or takes too long. */
async function readMarks(
	child: ReturnType<typeof spawn>,
	begun: number,
): Promise<Readings> {
	const seen: Record<string, number> = {};
	const said: string[] = [];
	const done = Promise.withResolvers<void>();
	const read = (line: string) => {
		said.push(line);
		for (const [name, pattern] of Object.entries(marks)) {
			if (pattern.test(line)) seen[name] ??= secondsSince(begun);
		}
		if (seen[lastMark] !== undefined) done.resolve();
	};
	for (const stream of [child.stdout, child.stderr]) {
		if (stream !== null) createInterface({ input: stream }).on("line", read);
	}
	const giveUp = (why: string) =>
		done.reject(new Error(`${why}; it said:\n${said.join("\n")}`));
	const onExit = (code: number | null) => giveUp(`it ended with ${code}`);
	child.on("exit", onExit);
	const timer = setTimeout(
		() => giveUp(`it took longer than ${patienceMs / 1000} s`),
		patienceMs,
	);
	try {
		await done.promise;
	} finally {
		clearTimeout(timer);
		child.off("exit", onExit);
	}
	return seen;
}
