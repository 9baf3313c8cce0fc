// A long queue: whether operations are claimed in the order in which they were asked for, whether the last of a
// thousand is claimed as fast as the first, and what orders wait while real updates run.
import { join } from "node:path";
import pg from "pg";
import { startPostgres } from "../src/sandbox/postgres.ts";
import { until } from "../test/support/until.ts";
import { makeOrderer } from "./api/orders.ts";
import type { Report } from "./report.ts";
import { openInstallation, registerSealedTarget } from "./service.ts";
import { findPercentile, type Readings } from "./statistics.ts";
import {
	type Bench,
	createDatabase,
	makeFolder,
	openSandbox,
} from "./surroundings.ts";

const queued = 1_000;
const part = 200;
const updates = 8;
const besides = 100;

export async function benchQueue(bench: Bench): Promise<Report> {
	const dir = await makeFolder(bench);
	const postgres = await bench.cleanup.keep(
		() => startPostgres({ dataDir: join(dir, "postgres"), log: bench.tell }),
		(started) => started.stop(),
	);
	const sandbox = await openSandbox(bench, dir);
	const rates: Readings[] = [];
	const order: Readings[] = [];
	const answers: Readings[] = [];
	for (let round = 1; round <= bench.rounds; round++) {
		const long = await createDatabase(postgres.url, `queue_${round}`);
		const claimed = await measureLongQueue(bench, long);
		rates.push(claimed.rates);
		order.push(claimed.order);
		const measure = async (name: string, count: number) =>
			measureBesides(
				bench,
				{
					databaseUrl: await createDatabase(postgres.url, `${name}_${round}`),
					kubeconfig: sandbox.deployerPath,
				},
				count,
			);
		const idle = await measure("idle", 0);
		const busy = await measure("busy", updates);
		answers.push({
			"nothing runs, p50": findPercentile(idle, 50),
			"nothing runs, p99": findPercentile(idle, 99),
			"updates run, p50": findPercentile(busy, 50),
			"updates run, p99": findPercentile(busy, 99),
		});
		bench.tell(`round ${round}: done`);
	}
	return {
		tables: [
			{
				title: `claims a second, ${queued} operations in the queue`,
				unit: "1/s",
				digits: 0,
				rounds: rates,
			},
			{
				title: "claims out of the order of their asking",
				unit: "places",
				digits: 0,
				rounds: order,
			},
			{
				title: `202: ${besides} orders, one after the other`,
				unit: "ms",
				digits: 1,
				rounds: answers,
			},
		],
		notes: [
			'A long queue: all orders are there before the worker starts. It has two warm children, and its operations end in the phase "preparing", as in the benchmark "api".',
			"Out of order: by how many places a claim is away from its own; with two children at work, one is none.",
			`202: in a service without a worker, and in one whose worker has ${updates} creates of real environments before it and two of them under way all the time.`,
		],
	};
}

/** All claims of one worker, in fifths of the queue. */
async function measureLongQueue(
	bench: Bench,
	databaseUrl: string,
): Promise<{ rates: Readings; order: Readings }> {
	const installation = await openInstallation(bench, {
		databaseUrl,
		kubeconfig: "",
	});
	await registerSealedTarget(databaseUrl);
	const orderer = makeOrderer(installation.api.url, installation.tenant.token);
	for (let i = 0; i < queued; i++) await orderer.order(`long-${i}`);
	orderer.close();
	await installation.startWorker(2);
	const rows = await readClaims(databaseUrl);
	await installation.stop();
	const rates: Record<string, number> = {};
	for (let from = 0; from < queued; from += part) {
		const first = rows[from];
		const last = rows[from + part - 1];
		if (first === undefined || last === undefined) continue;
		rates[`${from + 1} to ${from + part}`] =
			((part - 1) / (last.at - first.at)) * 1_000;
	}
	const away = rows.map(({ asked }, claimed) => Math.abs(asked - 1 - claimed));
	return {
		rates,
		order: { p50: findPercentile(away, 50), max: findPercentile(away, 100) },
	};
}

/** Of each operation, in the order of the claims: its place in the order of asking, and when it was claimed, in milliseconds. */
function readClaims(
	databaseUrl: string,
): Promise<{ asked: number; at: number }[]> {
	return ask(databaseUrl, async (query) => {
		await until(
			"the queue is empty",
			async () => {
				const [row] = await query(
					"select count(*)::int as open from operations where finished_at is null",
				);
				return row?.open === 0;
			},
			{ timeoutMs: 600_000, everyMs: 200 },
		);
		const rows = await query(
			`select (row_number() over (order by sequence))::int as asked,
				(extract(epoch from started_at) * 1000)::float8 as at
			 from operations order by started_at`,
		);
		return rows.map(({ asked, at }) => ({
			asked: Number(asked),
			at: Number(at),
		}));
	});
}

/** The answers to one caller, while `count` real updates are ordered before and worked on. */
async function measureBesides(
	bench: Bench,
	surroundings: { readonly databaseUrl: string; readonly kubeconfig: string },
	count: number,
): Promise<number[]> {
	const installation = await openInstallation(bench, surroundings);
	const orderer = makeOrderer(installation.api.url, installation.tenant.token);
	await orderer.order("first");
	for (let i = 1; i < count; i++) await orderer.order(`update-${i}`);
	if (count > 0) {
		await installation.startWorker(2);
		await until(
			"two updates are under way",
			async () => (await countApplying(surroundings.databaseUrl)) === 2,
			{ timeoutMs: 60_000 },
		);
	}
	const waits: number[] = [];
	for (let i = 0; i < besides; i++) {
		waits.push(await orderer.order(`besides-${i}`));
	}
	orderer.close();
	await installation.stop();
	return waits;
}

async function countApplying(databaseUrl: string): Promise<number> {
	return ask(databaseUrl, async (query) => {
		const [row] = await query(
			"select count(*)::int as count from operations where phase = 'applying' and finished_at is null",
		);
		return Number(row?.count);
	});
}

type Rows = readonly Readonly<Record<string, unknown>>[];

async function ask<T>(
	databaseUrl: string,
	work: (query: (text: string) => Promise<Rows>) => Promise<T>,
): Promise<T> {
	const client = new pg.Client({ connectionString: databaseUrl });
	await client.connect();
	try {
		return await work(async (text) => (await client.query(text)).rows);
	} finally {
		await client.end();
	}
}
