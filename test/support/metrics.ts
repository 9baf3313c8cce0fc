// Reads what this process counts, as a Prometheus would.
import { printMetrics } from "../../src/metrics.ts";

export interface Sample {
	readonly name: string;
	readonly labels: Readonly<Record<string, string>>;
	readonly value: number;
}

/** The samples of a page in the text format. Throws at a line that is none. */
export function parseMetrics(text: string): Sample[] {
	return text
		.split("\n")
		.filter((line) => line !== "" && !line.startsWith("#"))
		.map((line) => {
			const [, name, labels = "", value] =
				/^([a-z_:][a-z0-9_:]*)(?:\{(.*)\})? (\S+)$/i.exec(line) ?? [];
			if (name === undefined) throw new Error(`no sample: ${line}`);
			const pairs = [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)];
			return {
				name,
				labels: Object.fromEntries(
					pairs.map(([, label, text]) => [label, text ?? ""]),
				),
				value: Number(value),
			};
		});
}

/** The sum of all samples of this name with these labels; undefined if there are none. */
export async function readMetric(
	name: string,
	labels: Readonly<Record<string, string>> = {},
): Promise<number | undefined> {
	const found = parseMetrics(await printMetrics()).filter(
		(sample) =>
			sample.name === name &&
			Object.entries(labels).every(
				([key, text]) => sample.labels[key] === text,
			),
	);
	return found.length === 0
		? undefined
		: found.reduce((sum, { value }) => sum + value, 0);
}

/** By how much the work raises a count. */
export async function countRise(
	name: string,
	labels: Readonly<Record<string, string>>,
	work: () => Promise<unknown>,
): Promise<number> {
	const before = (await readMetric(name, labels)) ?? 0;
	await work();
	return ((await readMetric(name, labels)) ?? 0) - before;
}
