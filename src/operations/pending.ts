// What runs before this one began and could not finish. In Kubernetes the next create adopts what is there, but what
// was charged to a quota and never made must be forgotten. AWS would refuse a create of what is there, or make a second
// one: so what the engine's state does not know is cleared first.
import { take, type Work } from "./work.ts";

/** Before the engine runs, whatever for: a destroy, too, deletes only what its state knows. */
export async function resolvePending(work: Work): Promise<void> {
	const { operation } = work;
	// As it was claimed: a phase is there once an owner has begun one, also an owner that handed over and did not count.
	const isFirst =
		operation.kind === "create" &&
		operation.phase === null &&
		operation.retryOf === null;
	if (isFirst) return;
	if (operation.kind !== "destroy") await recountQuotas(work);
	await clearCloud(work);
}

async function recountQuotas(work: Work): Promise<void> {
	const { id: environment, namespace } = take(work, "environment");
	await take(work, "cluster").recountQuotas({ namespace, environment }, work);
}

async function clearCloud(work: Work): Promise<void> {
	const { tools, operation, signal, record } = work;
	const run = take(work, "run");
	const access = run.input.target.aws;
	if (!access) return;
	const { resources } = await tools.engineState.read(run);
	// A bucket's id is its name, and so is that of its user.
	const known = new Set(resources.map(({ type, id }) => `${type} ${id}`));
	const cloud = await tools.connectCloud(access);
	try {
		const cleared = await cloud.clearUnknown(
			{
				environment: operation.environment,
				isKnown: (type, id) => known.has(`${type} ${id}`),
				keepBackups: run.input.keepBackups ?? false,
			},
			signal,
		);
		for (const data of cleared) record({ type: "resource.deleted", data });
	} finally {
		cloud.close();
	}
}
