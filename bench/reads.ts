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
const spans = { seconds: 3, warmSeconds: 1 };

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
	const far = await findFarPage(tenant);
	const routes = [
		{ name: "an empty route of Express's", ...empty },
		...Object.entries({ ...pages, "environments, a page far behind": far }).map(
			([name, path]) => ({
				name,
				url: `${api.url}${path}`,
				pid: api.pid,
				token: tenant.token,
			}),
		),
	];
	const rounds: OverheadResult[] = [];
	for (let round = 1; round <= Math.min(bench.rounds, mostRounds); round++) {
		rounds.push(await measureOverhead(routes, spans));
		bench.tell(`round ${round}: done`);
	}
	await stop();
	return composeReport(rounds);
}

/** A page that a caller comes to who turns over some thousands: by its token, like any other. */
async function findFarPage(tenant: {
	call(
		method: string,
		path: string,
	): Promise<{ readonly body: Readonly<Record<string, unknown>> }>;
}): Promise<string> {
	let path = "/v1/environments?pageSize=200";
	for (let page = 0; page < 25; page++) {
		const { body } = await tenant.call("GET", path);
		path = `/v1/environments?pageSize=200&pageToken=${body.nextPageToken}`;
	}
	return path.replace("pageSize=200", "pageSize=50");
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
