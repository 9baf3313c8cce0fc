// What is between a caller and a handler, beside a route of Express's that has nothing before it, in the same minute.
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { promisify } from "node:util";
import { readProcessorSeconds } from "../processor.ts";
import type { Readings } from "../statistics.ts";
import type { Bench } from "../surroundings.ts";

const execute = promisify(execFile);
const root = join(import.meta.dirname, "..", "..");
const autocannon = join(root, "node_modules", "autocannon", "autocannon.js");

export const connections = 10;
const usual: Spans = { seconds: 8, warmSeconds: 2 };
export const pacePerSecond = 200;

export interface Route {
	readonly name: string;
	readonly url: string;
	/** Of the process that answers. */
	readonly pid: number;
	readonly token?: string;
}

export interface OverheadResult {
	/** Requests a second without a pause. */
	readonly rates: Readings;
	/** What each of them took of the answering process's processor time, in milliseconds. */
	readonly costs: Readings;
	/** At a pace that leaves both time to rest, in milliseconds. */
	readonly paced: Readings;
}

export interface Spans {
	/** Without a pause, and again at the pace. */
	readonly seconds: number;
	readonly warmSeconds: number;
}

interface Result {
	readonly requests: { readonly average: number; readonly total: number };
	readonly latency: { readonly p50: number; readonly p99: number };
	readonly non2xx: number;
	readonly errors: number;
}

export async function startEmptyRoute(
	bench: Bench,
): Promise<Pick<Route, "url" | "pid">> {
	const child = await bench.cleanup.keep(
		async () =>
			spawn(
				process.execPath,
				[
					"--max-semi-space-size=2",
					join(import.meta.dirname, "empty-route.ts"),
				],
				{
					stdio: ["ignore", "pipe", "inherit"],
					env: { ...process.env, NODE_ENV: "production" },
				},
			),
		(started) => started.kill(),
	);
	const [line] = await once(child.stdout, "data");
	const url = `http://127.0.0.1:${String(line).trim()}/`;
	return { url, pid: child.pid ?? 0 };
}

/** One route after the other, each warm before it counts. */
export async function measureOverhead(
	routes: readonly Route[],
	{ seconds, warmSeconds }: Spans = usual,
): Promise<OverheadResult> {
	const rates: Record<string, number> = {};
	const costs: Record<string, number> = {};
	const paced: Record<string, number> = {};
	for (const route of routes) {
		await fire(route, ["-d", String(warmSeconds)]);
		const before = readProcessorSeconds(route.pid);
		const { requests } = await fire(route, ["-d", String(seconds)]);
		const used = readProcessorSeconds(route.pid) - before;
		rates[route.name] = requests.average;
		costs[route.name] = (used / requests.total) * 1_000;
		const { latency } = await fire(route, [
			"-d",
			String(seconds),
			"-R",
			String(pacePerSecond),
		]);
		paced[`${route.name}, p50`] = latency.p50;
		paced[`${route.name}, p99`] = latency.p99;
	}
	return { rates, costs, paced };
}

/** A process of its own, so that the service is not asked by who measures it. */
async function fire(
	{ name, url, token }: Route,
	options: readonly string[],
): Promise<Result> {
	const { stdout } = await execute(process.execPath, [
		autocannon,
		...["--json", "-c", String(connections), ...options],
		...(token === undefined ? [] : ["-H", `Authorization=Bearer ${token}`]),
		url,
	]);
	const result = JSON.parse(stdout) as Result;
	if (result.non2xx > 0 || result.errors > 0) {
		throw new Error(
			`${name}: ${result.non2xx} refusals and ${result.errors} errors`,
		);
	}
	return result;
}
