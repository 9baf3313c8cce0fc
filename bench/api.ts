// How fast orders are taken and picked up, and what the processes hold in memory: with the queue in
// PostgreSQL, and with --redis also in Redis.
import { join } from "node:path";
import pg from "pg";
import { startPostgres } from "../src/sandbox/postgres.ts";
import { startRedis } from "../test/support/redis.ts";
import { until } from "../test/support/until.ts";
import { claims, measureClaims } from "./api/claims.ts";
import { loadNames, measureLoad } from "./api/load.ts";
import { readLargestChildMiB, readResidentMiB } from "./memory.ts";
import type { Report, Table } from "./report.ts";
import { openInstallation, registerSealedTarget } from "./service.ts";
import type { Readings } from "./statistics.ts";
import {
	type Bench,
	createDatabase,
	makeFolder,
	secondsSince,
} from "./surroundings.ts";

interface Queue {
	readonly name: string;
	/** Undefined: the database. */
	readonly url?: string;
}

interface Round {
	readonly paced: Readings;
	readonly full: Readings;
	readonly rates: Readings;
	readonly claim: Readings;
	readonly memory: Readings;
}

const drainWithinMs = 300_000;

export async function benchApi(bench: Bench): Promise<Report> {
	const dir = await makeFolder(bench);
	const postgres = await bench.cleanup.keep(
		() => startPostgres({ dataDir: join(dir, "postgres"), log: bench.tell }),
		(started) => started.stop(),
	);
	const queues: Queue[] = [{ name: "PostgreSQL" }];
	if (bench.redis) {
		const redis = await bench.cleanup.keep(
			() => startRedis(),
			(started) => started.stop(),
		);
		queues.push({ name: "Redis", url: redis.url });
	}
	const rounds = queues.map((): Round[] => []);
	for (let round = 1; round <= bench.rounds; round++) {
		for (const [i, queue] of queues.entries()) {
			const database = `bench_${i}_${round}`;
			rounds[i]?.push(
				await measure(
					bench,
					queue,
					await createDatabase(postgres.url, database),
				),
			);
			bench.tell(`round ${round}, queue in ${queue.name}: done`);
		}
	}
	return composeReport(queues.map(({ name }, i) => [name, rounds[i] ?? []]));
}

/** Each round has an installation of its own: no backlog of the round before is counted. */
async function measure(
	bench: Bench,
	queue: Queue,
	databaseUrl: string,
): Promise<Round> {
	const installation = await openInstallation(bench, {
		databaseUrl,
		kubeconfig: "",
		...(queue.url !== undefined && { queueUrl: queue.url }),
	});
	const { api, tenant } = installation;
	await registerSealedTarget(databaseUrl);

	const apiIdle = readResidentMiB(api.pid);
	const { paced, full, perSecond, ordered } = await measureLoad(
		api.url,
		tenant.token,
	);
	const apiLoaded = readResidentMiB(api.pid);

	const worker = await installation.startWorker(2);
	const drained = ordered / (await measureDrain(databaseUrl));
	const workerMiB = readResidentMiB(worker.pid);
	const childMiB = readLargestChildMiB(worker.pid);
	const claim = await measureClaims(tenant);
	await installation.stop();
	return {
		paced,
		full,
		claim,
		rates: { "orders answered": perSecond, "operations ended": drained },
		memory: {
			"api, before the load": apiIdle,
			"api, after it": apiLoaded,
			"worker, without its children": workerMiB,
			"warm child that has not run yet": childMiB,
		},
	};
}

/** Fulfils with the seconds that it took until nothing was queued or running any more. */
async function measureDrain(databaseUrl: string): Promise<number> {
	const client = new pg.Client({ connectionString: databaseUrl });
	await client.connect();
	const begun = performance.now();
	const count = async () => {
		const { rows } = await client.query(
			"select count(*)::int as open from operations where finished_at is null",
		);
		return rows[0]?.open as number;
	};
	try {
		await until("the queue is empty", async () => (await count()) === 0, {
			timeoutMs: drainWithinMs,
			everyMs: 100,
		});
	} finally {
		await client.end();
	}
	return secondsSince(begun);
}

function composeReport(
	measured: readonly (readonly [string, readonly Round[]])[],
): Report {
	const table = (
		title: string,
		rows: {
			readonly of: keyof Round;
			readonly unit: string;
			readonly digits: number;
		},
	): Table[] =>
		measured.map(([queue, rounds]) => ({
			title: `${title}, queue in ${queue}`,
			unit: rows.unit,
			digits: rows.digits,
			rounds: rounds.map((round) => round[rows.of]),
		}));
	return {
		tables: [
			...table(`202: ${loadNames.paced}`, {
				of: "paced",
				unit: "ms",
				digits: 1,
			}),
			...table(`202: ${loadNames.full}`, { of: "full", unit: "ms", digits: 1 }),
			...table(`from an order to its claim: ${claims} orders, one at a time`, {
				of: "claim",
				unit: "ms",
				digits: 0,
			}),
			...table("throughput", { of: "rates", unit: "1/s", digits: 0 }),
			...table("resident memory", { of: "memory", unit: "MiB", digits: 0 }),
		],
		notes: [
			"PostgreSQL is durable here (fsync on). Callers, service and database share the machine's cores.",
			"202: the role api alone, so that the queue just fills; from the sending of an order to the last byte of its answer. At full load the machine is saturated, and the time is that of waiting for a processor: 20 divided by the orders answered a second.",
			`claim: the role worker with two warm children. Its operations end in the phase "preparing", because the worker is not able to unseal the target's kubeconfig: what is measured is the queue, and not how long an update keeps a child busy.`,
			"operations ended: all that the loads had queued, from the worker's start on; the time until its first child is warm is in it.",
		],
	};
}
