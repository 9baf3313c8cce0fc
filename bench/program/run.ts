// Runs the program in this process, as a warm child has it: loaded once, then run again and again, with Pulumi's mocks
// for the engine. Says what it measured as a line of JSON.
import type { Size } from "../../src/domain/spec.ts";
import { sizes } from "../../src/domain/spec.ts";

const laterRuns = 10;

export interface ProgramReadings {
	readonly loadMs: number;
	readonly runs: Readonly<
		Record<
			Size,
			{
				/** Each in milliseconds. The first one is slower: nothing was compiled before it. */
				readonly ms: readonly number[];
				/** Of the processor, which other work on the machine does not lengthen. */
				readonly cpuMs: readonly number[];
				readonly resources: number;
			}
		>
	>;
}

const begun = performance.now();
const pulumi = await import("@pulumi/pulumi");
const { findProgram } = await import("../../programs/catalog.ts");
const { currentVersions } = await import("../../src/domain/blueprint.ts");
const loadMs = performance.now() - begun;
const { givenInput } = await import("../../test/programs/declared.ts");

async function run(
	size: Size,
): Promise<{ ms: number; cpuMs: number; resources: number }> {
	const program = findProgram({
		name: "maestro",
		version: currentVersions.maestro,
	});
	if (program === undefined) throw new Error("there is no such program");
	let resources = 0;
	await pulumi.runtime.setMocks({
		newResource: ({ name, inputs }) => {
			resources += 1;
			return { id: name, state: inputs };
		},
		call: ({ inputs }) => inputs,
	});
	const input = givenInput(size);
	const since = performance.now();
	const cpuSince = process.cpuUsage();
	await pulumi.runtime.runInPulumiStack(program(input));
	// Fulfils when every resource was registered.
	await pulumi.runtime.disconnect();
	const { user, system } = process.cpuUsage(cpuSince);
	return {
		ms: performance.now() - since,
		cpuMs: (user + system) / 1000,
		resources,
	};
}

async function runAll(size: Size) {
	const all = [await run(size)];
	for (let count = 0; count < laterRuns; count++) all.push(await run(size));
	return {
		ms: all.map(({ ms }) => ms),
		cpuMs: all.map(({ cpuMs }) => cpuMs),
		resources: all[0]?.resources ?? 0,
	};
}

// The larger one first: nothing is compiled for it beforehand.
const entries: [Size, unknown][] = [];
for (const size of sizes.toReversed()) entries.push([size, await runAll(size)]);
console.log(JSON.stringify({ loadMs, runs: Object.fromEntries(entries) }));
