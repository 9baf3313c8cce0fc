// How long reads take where there is much, beside an empty route of Express's in the same minute.
import { join } from "node:path";
import { startPostgres } from "../src/sandbox/postgres.ts";
import {
	connections,
	measureOverhead,
	type OverheadResult,
	pacePerSecond,
	startEmptyRoute,
} from "./http/overhead.ts";
import { type Amount, fill } from "./reads/fill.ts";
import type { Report } from "./report.ts";
import { openInstallation, registerSealedTarget } from "./service.ts";
import { type Bench, createDatabase, makeFolder } from "./surroundings.ts";

/** All together take some minutes, most of them to fill the database: more rounds tell no more. */
const mostRounds = 2;
const spans = { seconds: 4, warmSeconds: 4 };

const amount: Amount = { environments: 100_000, events: 5_000_000 };

/** In the middle of everything: nothing of it is among the first or the last. */
const middle = "50000".padStart(20, "0");

const pages: Readonly<Record<string, string>> = {
	"environments, the first page": "/v1/environments",
	"environments, some fields": "/v1/environments?fields=id,name,lifecycle",
	"environments by name": "/v1/environments?sort=name",
	"environments of a label": "/v1/environments?label=team=team-7",
	"operations of the tenant": "/v1/operations",
	"events of an environment": `/v1/environments/env_${middle}/events`,
	"events of the tenant, from the middle": `/v1/events?after=25.env_${middle}.25`,
	"one environment": `/v1/environments/env_${middle}`,
};

export async function benchReads(bench: Bench): Promise<Report> {
	const dir = await makeFolder(bench);
	const postgres = await bench.cleanup.keep(
		() => startPostgres({ dataDir: join(dir, "postgres"), log: bench.tell }),
		(started) => started.stop(),
	);
	const empty = await startEmptyRoute(bench);
	const databaseUrl = await createDatabase(postgres.url, "reads");
	const { api, tenant, stop } = await openInstallation(bench, {
		databaseUrl,
		kubeconfig: "",
		variables: { NODE_ENV: "production" },
	});
	await registerSealedTarget(databaseUrl);
	await fill(databaseUrl, "bench", amount);
	bench.tell("the database is filled");
	const all = await findPages(tenant);
	const asked = {
		...Object.fromEntries(
			Object.entries(pages).map(([name, path]) => [name, [path]]),
		),
		"environments, a page far behind": all.slice(-1),
		"environments, one page after the other": all,
	};
	const routes = [
		{ name: "an empty route of Express's", ...empty },
		...Object.entries(asked).map(([name, paths]) => ({
			name,
			urls: paths.map((path) => `${api.url}${path}`),
			pid: api.pid,
			token: tenant.token,
		})),
	];
	const rounds: OverheadResult[] = [];
	for (let round = 1; round <= Math.min(bench.rounds, mostRounds); round++) {
		rounds.push(await measureOverhead(routes, spans));
		bench.tell(`round ${round}: done`);
	}
	await stop();
	return composeReport(rounds);
}

/** Pages as a caller turns them over, by their tokens: more of them than the API remembers. */
async function findPages(tenant: {
	call(
		method: string,
		path: string,
	): Promise<{ readonly body: Readonly<Record<string, unknown>> }>;
}): Promise<string[]> {
	const paths = ["/v1/environments"];
	for (let page = 0; page < 200; page++) {
		const { body } = await tenant.call("GET", paths[page] ?? "");
		paths.push(`/v1/environments?pageToken=${body.nextPageToken}`);
	}
	return paths;
}

const composeReport = (rounds: readonly OverheadResult[]): Report => ({
	tables: [
		{
			title: `answers at ${pacePerSecond} requests a second`,
			unit: "ms",
			digits: 0,
			rounds: rounds.map(({ paced }) => paced),
		},
		{
			title: `requests, ${connections} connections without a pause`,
			unit: "1/s",
			digits: 0,
			rounds: rounds.map(({ rates }) => rates),
		},
		{
			title:
				"the same: processor time of the answering process for each, beside the empty route's",
			unit: "ms",
			digits: 3,
			rounds: rounds.map(({ costs }) => costs),
		},
	],
	notes: [
		`There are ${amount.environments} environments and ${amount.events} events, all of one tenant. Pages have 50 rows.`,
		"PostgreSQL is durable here (fsync on). Callers, service and database share the machine's cores; rate limits are out of reach.",
	],
});
