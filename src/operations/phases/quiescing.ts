// Stops what writes to the databases: the processes, the migration, and a backup that runs by itself, which would find
// them in the middle of something. The data stores run on.
import { backupCronJob } from "../../domain/cluster.ts";
import type { NewEvent } from "../../domain/event.ts";
import { knowsPower } from "../../domain/power.ts";
import { processNames } from "../../domain/release.ts";
import { Failure } from "../../failure.ts";
import { loadBegunRevision, loadRevision } from "../../store/revisions.ts";
import { settleRun } from "../engine-run.ts";
import { resolvePending } from "../pending.ts";
import { take, type Work } from "../work.ts";
import { loadRun } from "./preparing.ts";

const writers = [...processNames, "migrate", backupCronJob];

/**
 * Runs the program of what is there, at rest: the wish that this operation leads to may be an older one. In a new
 * environment that is all that there is by then. Fulfils when the stores run and no pod that writes is left. Throws `conflict` where that program is too old to rest.
 */
export async function quiesce(work: Work): Promise<void> {
	const { tools, operation, signal, record } = work;
	const environment = take(work, "environment");
	const cluster = take(work, "cluster");
	const isNew = operation.kind === "create";
	const revision = isNew
		? await loadRevision(tools.db, environment.id, operation.revisionTo ?? 1)
		: await loadBegunRevision(tools.db, environment.id, operation.revisionTo);
	if (!knowsPower(revision.blueprintVersion))
		throw refuseVersion(environment.blueprint, revision.blueprintVersion);
	await resolvePending(work);
	const run = await loadRun(work, environment, revision);
	const recordStuck = (event: NewEvent) => {
		// That a workload is ready is told when all of them are waited for.
		if (event.type !== "workload.ready") record(event);
	};
	const { namespace } = environment;
	await settleRun(
		work,
		tools.engine.up(
			{ ...run, input: { ...run.input, power: "quiesced" } },
			{
				signal,
				onEvent: record,
				onStep: work.onStep,
				// One after the other: a worker ends its task while what it calls still runs.
				async onStage({ name, workloads }) {
					if (name === "stores") {
						// Elsewhere they run all the time.
						if (isNew)
							await cluster.waitUntilRolledOut(namespace, workloads, {
								signal,
								onEvent: recordStuck,
							});
						return;
					}
					await cluster.waitUntilStopped(
						namespace,
						workloads.map((workload) => workload.name),
						{ signal },
					);
				},
			},
		),
	);
	await cluster.waitUntilStopped(namespace, writers, { signal });
}

const refuseVersion = (name: string, version: string): Failure =>
	new Failure({
		code: "conflict",
		message: `It runs the blueprint ${name}@${version}, which cannot be stopped part by part.`,
		untouched: "Nothing in the cluster was touched.",
		advice:
			'Upgrade it first, which brings it to the current version: POST /v1/environments/{id}:upgrade with {"parameters": {}} changes nothing else.',
	});
