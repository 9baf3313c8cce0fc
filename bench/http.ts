// The API as its callers meet it: what the way to a handler costs beside an empty route of Express's, how long an order
// takes to be answered at a pace, and what clients hold who only wait for events.
import { join } from "node:path";
import { startPostgres } from "../src/sandbox/postgres.ts";
import { measureCreates, orders, perSecond } from "./http/creates.ts";
import {
	connections,
	measureOverhead,
	type OverheadResult,
	pacePerSecond,
	type Route,
	startEmptyRoute,
} from "./http/overhead.ts";
import { environments, measureStreams, streams } from "./http/streams.ts";
import type { Report, Table } from "./report.ts";
import { openInstallation, registerSealedTarget } from "./service.ts";
import type { Readings } from "./statistics.ts";
import { type Bench, createDatabase, makeFolder } from "./surroundings.ts";

interface Round {
	readonly overhead: OverheadResult;
	readonly creates: Readings;
	readonly memory: Readings;
	readonly processor: Readings;
}

const collector = new URL("./http/collector.mjs", import.meta.url).href;

export async function benchHttp(bench: Bench): Promise<Report> {
	const dir = await makeFolder(bench);
	const postgres = await bench.cleanup.keep(
		() => startPostgres({ dataDir: join(dir, "postgres"), log: bench.tell }),
		(started) => started.stop(),
	);
	const empty = await startEmptyRoute(bench);
	const rounds: Round[] = [];
	for (let round = 1; round <= bench.rounds; round++) {
		const databaseUrl = await createDatabase(postgres.url, `http_${round}`);
		rounds.push(await measure(bench, databaseUrl, empty));
		bench.tell(`round ${round}: done`);
	}
	return composeReport(rounds);
}

async function measure(
	bench: Bench,
	databaseUrl: string,
	empty: Pick<Route, "urls" | "pid">,
): Promise<Round> {
	const installation = await openInstallation(bench, {
		databaseUrl,
		kubeconfig: "",
		variables: {
			NODE_ENV: "production",
			NODE_OPTIONS: `--expose-gc --import=${collector}`,
		},
	});
	const { api, tenant } = installation;
	await registerSealedTarget(databaseUrl);
	const first = await tenant.call("POST", "/v1/environments", {
		name: "first",
	});
	const overhead = await measureOverhead([
		{ name: "an empty route of Express's", ...empty },
		{ name: "GET /version", urls: [`${api.url}/version`], pid: api.pid },
		{
			name: "GET /v1/environments/{id}",
			urls: [`${api.url}/v1/environments/${first.body.environment}`],
			pid: api.pid,
			token: tenant.token,
		},
	]);
	const creates = await measureCreates(api.url, tenant.token);
	const { memory, processor } = await measureStreams(api, tenant);
	await installation.stop();
	return { overhead, creates, memory, processor };
}

function composeReport(rounds: readonly Round[]): Report {
	const table = (
		title: string,
		unit: string,
		digits: number,
		read: (round: Round) => Readings,
	): Table => ({ title, unit, digits, rounds: rounds.map(read) });
	const readings = (round: Round) => round.overhead;
	return {
		tables: [
			table(
				`requests, ${connections} connections without a pause`,
				"1/s",
				0,
				(round) => readings(round).rates,
			),
			table(
				"the same: processor time of the answering process for each",
				"ms",
				3,
				(round) => readings(round).costs,
			),
			table(
				`answers at ${pacePerSecond} requests a second`,
				"ms",
				0,
				(round) => readings(round).paced,
			),
			table(
				`202 of a create, ${orders} orders, ${perSecond} a second`,
				"ms",
				1,
				(round) => round.creates,
			),
			table(
				`resident memory of the API, ${streams} idle streams`,
				"MiB",
				0,
				(round) => round.memory,
			),
			table(
				`processor of the API, ${streams} idle streams`,
				"% of a core",
				1,
				(round) => round.processor,
			),
		],
		notes: [
			"PostgreSQL is durable here (fsync on). Callers, service and database share the machine's cores; rate limits are out of reach.",
			"processor time: of the process that answers, all of its threads, without the database's. Each request writes a line of the log, the empty route none.",
			"202: the role api alone, so that the queue just fills. From when an order was due to the last byte of its answer.",
			`streams: of ${environments} environments, in which nothing happens. Memory after a collection of garbage; what the client's side holds is another process's.`,
		],
	};
}
