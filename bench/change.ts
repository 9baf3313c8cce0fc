// How long it takes to bring one `ha` environment to another release, each of its 14 images another one: ordered from the
// service, by the stock Automation API, and by kubectl; in one cluster, in turns. And to put it to sleep and wake it.
import { makeCaller } from "../test/support/service.ts";
import { compare } from "./provision/compare.ts";
import { makeKubectl } from "./provision/kubectl.ts";
import { loadManifest } from "./provision/manifest.ts";
import { makeOurs } from "./provision/ours.ts";
import { makeStock } from "./provision/stock.ts";
import { releaseOf } from "./provision/way.ts";
import type { Report } from "./report.ts";
import { openInstallation } from "./service.ts";
import type { Readings } from "./statistics.ts";
import {
	type Bench,
	createDatabase,
	makeFolder,
	openSandbox,
} from "./surroundings.ts";

/** All rounds change the same environment of each way. */
const only = 0;
const upgraded = {
	ours: "ours: order → succeeded",
	stock: "stock: script",
	kubectl: "kubectl: apply → ready",
};

export async function benchChange(bench: Bench): Promise<Report> {
	const dir = await makeFolder(bench);
	const sandbox = await openSandbox(bench, dir);
	const installation = await openInstallation(bench, {
		databaseUrl: await createDatabase(sandbox.databaseUrl, "change"),
		kubeconfig: sandbox.deployerPath,
	});
	await installation.startWorker(1);
	const { client } = makeCaller(
		() => installation.api.url,
		installation.service.adminToken,
	);
	const ours = makeOurs(installation.tenant);

	bench.tell("warming up: one environment of each way");
	await ours.create(only);
	const { namespace, declared } = await ours.find(only);
	const { kubeconfigPath } = sandbox;
	const manifest = await loadManifest(kubeconfigPath, namespace, declared);
	const stock = makeStock({ bench, sandbox, dir, objects: declared.length });
	const kubectl = makeKubectl({ bench, sandbox, dir, manifest });
	for (const way of [stock, kubectl]) await way.create(only);

	const rounds: Readings[] = [];
	const sleeps: Readings[] = [];
	const wakes: Readings[] = [];
	for (let round = 1; round <= bench.rounds; round++) {
		await client.createRelease({ body: releaseOf(round) });
		const readings: Record<string, number | undefined> = {};
		for (const way of [ours, stock, kubectl]) {
			Object.assign(readings, await way.upgrade(only, round));
		}
		rounds.push(readings);
		sleeps.push(await ours.change(only, "hibernate"));
		wakes.push(await ours.change(only, "wake"));
		bench.tell(`round ${round}: done`);
	}
	const rest = { unit: "s", digits: 2 };
	return {
		tables: [
			{
				title: `upgrade all images of one \`ha\` environment of ${declared.length} objects`,
				...rest,
				rounds,
			},
			{
				title: "upgrade, ratios within a round",
				unit: "times",
				digits: 2,
				rounds: rounds.map((round) => compare(round, upgraded)),
			},
			{ title: "hibernate", ...rest, rounds: sleeps },
			{ title: "wake", ...rest, rounds: wakes },
		],
		notes: [
			"ours: with a backup before it, in the order of a roll-out (stores, migration, back ends, workers, fronts, one stage after the other), and with the verification after it, which the others do not have.",
			"stock: `up` in a process of its own with the other release, defaults everywhere, all at once. kubectl: the same objects with the other images from one file, without the migration, all at once.",
			"The cluster is the sandbox: a real control plane, whose containers are not run.",
		],
	};
}
