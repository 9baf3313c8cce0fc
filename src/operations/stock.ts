// What exists of an environment that did not come to be as ordered: the engine's state knows the kinds, the cluster
// knows what there is. What neither can tell within a short time is not known, and that is said.
import { cancelDeadlinesMs } from "../domain/operation.ts";
import { type Existing, isBookkeeping, presentKind } from "../domain/stock.ts";
import type { Log } from "../log.ts";
import { prepare } from "./phases/preparing.ts";
import { take, type Work } from "./work.ts";

const isInCluster = (type: string): boolean => type.startsWith("kubernetes:");

/** null when it cannot be found out. Throws nothing. */
export async function takeStock(
	work: Work,
	log: Log,
): Promise<readonly Existing[] | null> {
	const signal = AbortSignal.any([
		work.signal,
		AbortSignal.timeout(cancelDeadlinesMs.stock),
	]);
	try {
		return await look({ ...work, signal });
	} catch (error) {
		log.warn(
			{ err: error, operation: work.operation.id },
			"what exists of an environment could not be found out",
		);
		return null;
	}
}

async function look(work: Work): Promise<readonly Existing[]> {
	// An owner that came after a crash has not connected to anything yet.
	if (work.findings.cluster === undefined) await prepare(work);
	const { id, namespace } = take(work, "environment");
	const { resources, pending } = await work.tools.engineState.read(
		take(work, "run"),
	);
	const types = [...resources, ...pending].map(({ type }) => type);
	const inCluster = await take(work, "cluster").takeStock(
		{
			namespace,
			environment: id,
			kinds: [...new Set(types.filter(isInCluster).map(presentKind))],
		},
		{ signal: work.signal },
	);
	const elsewhere = Map.groupBy(
		resources.filter(({ type }) => !isInCluster(type) && !isBookkeeping(type)),
		({ type }) => type,
	);
	return [
		...inCluster,
		...[...elsewhere].map(([kind, of]) => ({
			kind,
			count: of.length,
			notReady: [],
		})),
	];
}
