// How long it takes to provision one `ha` environment until every workload is ready, and to destroy it:
// ordered from the service, by the stock Automation API, and by kubectl; in one cluster, in turns.
import { readLargestChildMiB, readResidentMiB } from "./memory.ts";
import { compare } from "./provision/compare.ts";
import { makeKubectl } from "./provision/kubectl.ts";
import { loadManifest } from "./provision/manifest.ts";
import { makeOurs } from "./provision/ours.ts";
import { makeStock } from "./provision/stock.ts";
import type { Way } from "./provision/way.ts";
import type { Report } from "./report.ts";
import { openInstallation } from "./service.ts";
import type { Readings } from "./statistics.ts";
import {
	type Bench,
	createDatabase,
	makeFolder,
	openSandbox,
} from "./surroundings.ts";

const warmUp = 0;

export async function benchProvision(bench: Bench): Promise<Report> {
	const dir = await makeFolder(bench);
	const sandbox = await openSandbox(bench, dir);
	const installation = await openInstallation(bench, {
		databaseUrl: await createDatabase(sandbox.databaseUrl, "provision"),
		kubeconfig: sandbox.deployerPath,
	});
	const worker = await installation.startWorker(1);
	const ours = makeOurs(installation.tenant);

	// The first of each is not counted: it fills the disk's cache for all of them alike.
	bench.tell("warming up");
	await ours.create(warmUp);
	const { namespace, declared } = await ours.find(warmUp);
	const manifest = await loadManifest(
		sandbox.kubeconfigPath,
		namespace,
		declared,
	);
	await ours.destroy(warmUp);
	const stock = makeStock({ bench, sandbox, dir, objects: declared.length });
	const kubectl = makeKubectl({ bench, sandbox, dir, manifest });
	for (const way of [stock, kubectl]) await measure(bench, way, warmUp);

	const rounds: { create: Readings; destroy: Readings }[] = [];
	const memory: Readings[] = [];
	for (let round = 1; round <= bench.rounds; round++) {
		const create: Record<string, number | undefined> = {};
		const destroy: Record<string, number | undefined> = {};
		for (const way of [ours, stock, kubectl]) {
			const measured = await measure(bench, way, round);
			Object.assign(create, measured.create);
			Object.assign(destroy, measured.destroy);
		}
		rounds.push({ create, destroy });
		memory.push({
			api: readResidentMiB(installation.api.pid),
			worker: readResidentMiB(worker.pid),
			"worker's child": readLargestChildMiB(worker.pid),
		});
	}
	return composeReport(rounds, memory, declared.length);
}

async function measure(
	bench: Bench,
	way: Way,
	round: number,
): Promise<{ create: Readings; destroy: Readings }> {
	const create = await way.create(round);
	const destroy = await way.destroy(round);
	const [seconds = 0] = Object.values(create);
	bench.tell(`round ${round}, ${way.name}: ${seconds.toFixed(1)} s`);
	return { create, destroy };
}

const names = {
	create: {
		ours: "ours: order → succeeded",
		stock: "stock: script",
		kubectl: "kubectl: apply → ready",
	},
	destroy: {
		ours: "ours: order → succeeded",
		stock: "stock: script",
		kubectl: "kubectl: delete namespace",
	},
};

function composeReport(
	rounds: readonly { create: Readings; destroy: Readings }[],
	memory: readonly Readings[],
	objects: number,
): Report {
	const tables = (["create", "destroy"] as const).flatMap((verb) => {
		const readings = rounds.map((round) => round[verb]);
		return [
			{
				title: `${verb} one \`ha\` environment of ${objects} objects`,
				unit: "s",
				digits: 2,
				rounds: readings,
			},
			{
				title: `${verb}, ratios within a round`,
				unit: "times",
				digits: 2,
				rounds: readings.map((round) => compare(round, names[verb])),
			},
		];
	});
	return {
		tables: [
			...tables,
			{
				title: "resident memory after a round",
				unit: "MiB",
				digits: 0,
				rounds: memory,
			},
		],
		notes: [
			"ours: POST or DELETE through the HTTP API of a running service (roles api and worker, one warm child) until its stream of events ends; includes the verification, which the others do not have.",
			"stock: a process from its start to its end, once for up and once for destroy; defaults everywhere; same program without the service's annotations, deletedWith and client limits.",
			"Much of stock's time is the provider's wait of 10 s for every Service to settle; as many wait side by side as the default parallelism of 4 for each core allows, so that more cores make it shorter.",
			"kubectl: the same objects from one file, the namespace among them, then rollout status and wait side by side.",
			"The cluster is the sandbox: a real control plane, whose containers are not run, so that a pod is ready as soon as its node has seen it. On a real cluster every way waits longer, by the same time.",
		],
	};
}
