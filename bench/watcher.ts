// The watcher's memory and connections, by the number of environments: namespaces with all the workloads of a small one, at
// zero replicas, since pods would be the sandbox's load and not the watcher's.
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import pg from "pg";
import { makeClient } from "../src/cluster/client.ts";
import { defaultLimits } from "../src/cluster/limits.ts";
import { environmentLabel } from "../src/domain/cluster.ts";
import { processNames } from "../src/domain/release.ts";
import { startRole } from "../test/support/service.ts";
import { until } from "../test/support/until.ts";
import { readResidentMiB } from "./memory.ts";
import type { Report } from "./report.ts";
import { openInstallation } from "./service.ts";
import type { Readings } from "./statistics.ts";
import {
	type Bench,
	createDatabase,
	makeFolder,
	openSandbox,
	secondsSince,
} from "./surroundings.ts";

const settleMs = 15_000;
const atOnce = 8;

export async function benchWatcher(bench: Bench): Promise<Report> {
	const sandbox = await openSandbox(bench, await makeFolder(bench));
	const databaseUrl = await createDatabase(sandbox.databaseUrl, "watcher");
	const installation = await openInstallation(bench, {
		databaseUrl,
		kubeconfig: sandbox.deployerPath,
	});
	const port = Number(
		/server: https:\/\/[^:]+:(\d+)/.exec(sandbox.deployerKubeconfig)?.[1],
	);
	const database = await bench.cleanup.keep(
		async () => {
			const client = new pg.Client({ connectionString: databaseUrl });
			await client.connect();
			return client;
		},
		(client) => client.end(),
	);
	const client = makeClient(sandbox.deployerKubeconfig, defaultLimits);
	const memory: Record<string, number | undefined> = {};
	const connections: Record<string, number> = {};
	const seconds: Record<string, number> = {};
	let made = 0;
	for (const count of bench.namespaces) {
		const places = await orderMany(installation.tenant, database, count - made);
		made = count;
		await inGroups(places, (place) => makeNamespace(client, place));
		await untilSettled(client);
		await database.query("update environments set health = 'unknown'");
		const begunAt = performance.now();
		const scheduler = await startRole("scheduler", {
			...installation.service.environment,
			LOG_LEVEL: "warn",
		});
		try {
			await until(
				"all are seen",
				async () => {
					const { rows } = await database.query(
						"select count(*)::int as left from environments where health <> 'healthy'",
					);
					return rows[0]?.left === 0;
				},
				{ timeoutMs: 300_000, everyMs: 250 },
			);
			const name = `${count} environments`;
			seconds[name] = secondsSince(begunAt);
			memory[`${name}, all seen`] = readResidentMiB(scheduler.pid);
			await pause(settleMs);
			memory[`${name}, at rest`] = readResidentMiB(scheduler.pid);
			connections[name] = countConnections(scheduler.pid, port);
			bench.tell(`${name}: done`);
		} finally {
			await scheduler.stop();
		}
	}
	client.close();
	await installation.stop();
	return {
		tables: [
			table("resident memory of the process", "MiB", memory),
			table("connections to the API server", "", connections),
			table("start of the process until all are told healthy", "s", seconds),
		],
		notes: [
			"A namespace has the 14 Deployments and 2 StatefulSets of a small environment, without replicas.",
			"The process is the role `scheduler`, which sweeps as well.",
		],
	};
}

const table = (title: string, unit: string, readings: Readings) => ({
	title,
	unit,
	digits: unit === "" ? 0 : 1,
	rounds: [readings],
});

interface Place {
	readonly id: string;
	readonly namespace: string;
}

/** Environments that nothing moves, although nothing made them. */
async function orderMany(
	tenant: Awaited<ReturnType<typeof openInstallation>>["tenant"],
	database: pg.Client,
	count: number,
): Promise<Place[]> {
	const names = Array.from({ length: count }, () => crypto.randomUUID());
	await inGroups(names, async (name) => {
		const { status, body } = await tenant.call("POST", "/v1/environments", {
			name: `e-${name.slice(0, 8)}`,
		});
		if (status !== 202) throw new Error(JSON.stringify(body));
	});
	await database.query(
		"update operations set state = 'succeeded', finished_at = now()",
	);
	const { rows } = await database.query<Place>(
		`update environments set lifecycle = 'ready', revision = 1 where lifecycle = 'creating' returning id, namespace`,
	);
	return rows;
}

async function inGroups<T>(
	items: readonly T[],
	work: (item: T) => Promise<void>,
): Promise<void> {
	const waiting = [...items];
	const runners = Array.from({ length: atOnce }, async () => {
		for (let item = waiting.pop(); item !== undefined; item = waiting.pop())
			await work(item);
	});
	await Promise.all(runners);
}

async function makeNamespace(
	client: ReturnType<typeof makeClient>,
	{ id, namespace }: Place,
): Promise<void> {
	const labels = { [environmentLabel]: id };
	const signal = AbortSignal.timeout(60_000);
	const create = async (path: string, body: object) => {
		const what = `create at ${path}`;
		const answer = await client.send({
			what,
			method: "POST",
			path,
			body,
			signal,
		});
		if (!answer.ok) throw new Error(`${what}: ${answer.body.message}`);
	};
	await create("/api/v1/namespaces", { metadata: { name: namespace, labels } });
	const apps = `/apis/apps/v1/namespaces/${namespace}`;
	for (const name of processNames) {
		await create(`${apps}/deployments`, makeWorkload(name, labels));
	}
	for (const name of ["mongodb", "rabbitmq"]) {
		const { metadata, spec } = makeWorkload(name, labels);
		await create(`${apps}/statefulsets`, {
			metadata,
			spec: { ...spec, serviceName: name },
		});
	}
}

/** The sandbox's controllers take minutes for so many: until then nothing is ready, and the watcher would keep all of it. */
async function untilSettled(
	client: ReturnType<typeof makeClient>,
): Promise<void> {
	const signal = AbortSignal.timeout(30 * 60_000);
	const isSettled = async (resource: string) => {
		const answer = await client.send<{
			items: readonly { status?: { observedGeneration?: number } }[];
		}>({
			what: `list ${resource}`,
			path: `/apis/apps/v1/${resource}`,
			query: { labelSelector: environmentLabel },
			signal,
		});
		return (
			answer.ok &&
			answer.body.items.every(
				({ status }) => (status?.observedGeneration ?? 0) > 0,
			)
		);
	};
	await until(
		"the controllers have seen everything",
		async () =>
			(await isSettled("deployments")) && (await isSettled("statefulsets")),
		{ timeoutMs: 30 * 60_000, everyMs: 2_000 },
	);
}

/** As large as a real one: some thirty variables, probes and limits. */
function makeWorkload(name: string, common: Readonly<Record<string, string>>) {
	const matchLabels = { "app.kubernetes.io/name": name };
	const labels = { ...common, ...matchLabels };
	const probe = {
		httpGet: { path: "/", port: 8888 },
		periodSeconds: 5,
		failureThreshold: 6,
	};
	return {
		metadata: { name, labels },
		spec: {
			replicas: 0,
			selector: { matchLabels },
			template: {
				metadata: { labels },
				spec: {
					containers: [
						{
							name,
							image: `maestroserver/${name}:0.6.0`,
							env: Array.from({ length: 30 }, (_, at) => ({
								name: `MAESTRO_VARIABLE_${at}`,
								value: "http://some-service.of-this-namespace:8888/",
							})),
							startupProbe: probe,
							readinessProbe: probe,
							livenessProbe: probe,
							resources: { limits: { cpu: "500m", memory: "512Mi" } },
						},
					],
				},
			},
		},
	};
}

/** Open connections of a process to a port (proc(5)). */
function countConnections(pid: number, port: number): number {
	const inodes = new Set(
		["tcp", "tcp6"]
			.flatMap((file) =>
				readFileSync(join("/proc/net", file), "utf8").split("\n"),
			)
			.map((line) => line.trim().split(/\s+/))
			.filter(
				([, , remote, state]) =>
					state === "01" &&
					Number.parseInt(remote?.split(":")[1] ?? "", 16) === port,
			)
			.map((fields) => `socket:[${fields[9]}]`),
	);
	const folder = `/proc/${pid}/fd`;
	return readdirSync(folder).filter((fd) => {
		try {
			return inodes.has(readlinkSync(join(folder, fd)));
		} catch {
			return false;
		}
	}).length;
}
