// What is between a caller and a handler, beside a route of Express's that has nothing before it, in the same minute.
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { Agent, get } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { promisify } from "node:util";
import { readProcessorSeconds } from "../processor.ts";
import type { Readings } from "../statistics.ts";
import type { Bench } from "../surroundings.ts";
import { measurePaced } from "./pace.ts";

const execute = promisify(execFile);

export const connections = 10;
const usual: Spans = { seconds: 8, warmSeconds: 2 };
export const pacePerSecond = 200;

export interface Route {
	readonly name: string;
	/** Asked for in turn. */
	readonly urls: readonly string[];
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
	readonly non2xx: number;
	readonly errors: number;
}

export async function startEmptyRoute(
	bench: Bench,
): Promise<Pick<Route, "urls" | "pid">> {
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
	const urls = [`http://127.0.0.1:${String(line).trim()}/`];
	return { urls, pid: child.pid ?? 0 };
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
		await fire(route, warmSeconds);
		const before = readProcessorSeconds(route.pid);
		const { requests } = await fire(route, seconds);
		const used = readProcessorSeconds(route.pid) - before;
		rates[route.name] = requests.average;
		costs[route.name] = (used / requests.total) * 1_000;
		const { p50, p99 } = await ask(route, seconds);
		paced[`${route.name}, p50`] = p50 ?? Number.NaN;
		paced[`${route.name}, p99`] = p99 ?? Number.NaN;
	}
	return { rates, costs, paced };
}

/** At the pace. As many connections as there are answers under way: a request waits for the service alone. */
async function ask(
	{ name, urls, token }: Route,
	seconds: number,
): Promise<Readings> {
	const agent = new Agent({ keepAlive: true });
	const headers =
		token === undefined ? {} : { authorization: `Bearer ${token}` };
	try {
		return await measurePaced(
			{
				perSecond: pacePerSecond,
				count: pacePerSecond * seconds,
				warm: pacePerSecond / 2,
			},
			async (i) => {
				const url = urls[i % urls.length] ?? "";
				const request = get(url, { agent, headers });
				const [response] = await once(request, "response");
				await text(response);
				if (response.statusCode !== 200)
					throw new Error(`${name}: answered by ${response.statusCode}`);
			},
		);
	} finally {
		agent.destroy();
	}
}

async function fire(
	{ name, urls, token }: Route,
	seconds: number,
): Promise<Result> {
	const running = execute(process.execPath, [
		join(import.meta.dirname, "fire.mjs"),
	]);
	running.child.stdin?.end(
		JSON.stringify({ urls, token, connections, seconds }),
	);
	const result = JSON.parse((await running).stdout) as Result;
	if (result.non2xx > 0 || result.errors > 0) {
		throw new Error(
			`${name}: ${result.non2xx} refusals and ${result.errors} errors`,
		);
	}
	return result;
}
