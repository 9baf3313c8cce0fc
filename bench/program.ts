// How long the program itself takes, which is what a worker's child does beside the engine: Node only, with mocks.
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import type { ProgramReadings } from "./program/run.ts";
import type { Report } from "./report.ts";
import { findPercentile, type Readings } from "./statistics.ts";
import type { Bench } from "./surroundings.ts";

const execute = promisify(execFile);
const script = join(import.meta.dirname, "program", "run.ts");

export async function benchProgram(bench: Bench): Promise<Report> {
	const rounds: ProgramReadings[] = [];
	for (let round = 1; round <= bench.rounds; round++) {
		// A process of its own each: the first run of one is what a cold child has.
		const { stdout } = await execute(process.execPath, [script]);
		const readings = JSON.parse(stdout) as ProgramReadings;
		rounds.push(readings);
		bench.tell(
			`round ${round}: ${readings.runs.ha.ms[0]?.toFixed(0)} ms for the first ha`,
		);
	}
	return {
		tables: [
			{
				title: "the program, one run with mocks",
				unit: "ms",
				digits: 0,
				rounds: rounds.map(summariseRound),
			},
			{
				title: "resources that it declares, the provider among them",
				unit: "",
				digits: 0,
				rounds: rounds.map(({ runs }) => ({
					ha: runs.ha.resources,
					small: runs.small.resources,
				})),
			},
		],
		notes: [
			"first: the first run of a process that has loaded the program, as a worker's child does when it starts. later: the median of ten more in the same process.",
			"The mocks answer at once; what the engine, the provider and the API server take is in the benchmark `provision`, in its row `applying`.",
		],
	};
}

function summariseRound({ loadMs, runs }: ProgramReadings): Readings {
	const [first, ...later] = runs.ha.ms;
	const [firstCpu, ...laterCpu] = runs.ha.cpuMs;
	const [, ...laterSmall] = runs.small.ms;
	return {
		"loading it, with Pulumi's SDK": loadMs,
		"ha, first": first,
		"  of it on the processor": firstCpu,
		"ha, later": findPercentile(later, 50),
		"  on the processor": findPercentile(laterCpu, 50),
		"small, later": findPercentile(laterSmall, 50),
	};
}
