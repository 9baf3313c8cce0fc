// Keeps the health of environments true while nothing moves them. Of each target one process watches: who holds the lease
// in its row. Any number try, and any may die; what one writes is checked against its token by the statement itself.
import {
	type HealthReport,
	healthDelaysMs,
	isNews,
	keepKnown,
	type Lookout,
	makeReport,
	type OpenLookout,
	type Sighting,
} from "../domain/health.ts";
import type { Log } from "../log.ts";
import { open, type SealKey } from "../seal.ts";
import type { Db } from "../store/db.ts";
import {
	listWatched,
	type Watch,
	type Watched,
	writeHealth,
} from "../store/health.ts";
import { targetPlace } from "./target.ts";

export interface HealthContext {
	readonly db: Db;
	readonly sealKey: SealKey;
	readonly log: Log;
	readonly openLookout: OpenLookout;
}

/** One target under watch. */
export interface Watcher {
	/** Compares what is seen with what is told, and tells what is new and has lasted. `all`: also where nothing moved. */
	pass(watch: Watch, all: boolean): Promise<void>;
	/** Whether there is something to pass over. */
	hasNews(): boolean;
	close(): Promise<void>;
}

/** So many environments are told of by one statement. */
const atOnce = 200;

/** What is not told yet, and since when it is so. */
interface Standing {
	readonly report: HealthReport;
	readonly since: number;
}

/** Throws `not_set_up` if the target's kubeconfig is of no use. */
export function openWatcher(
	{ db, sealKey, log, openLookout }: HealthContext,
	{ name, kubeconfig }: Pick<Watch, "name" | "kubeconfig">,
): Watcher {
	const dirty = new Set<string>();
	const standings = new Map<string, Standing>();
	let isAllDirty = true;
	let awaySince: number | undefined;
	const lookout = openLookout(open(sealKey, targetPlace(name), kubeconfig), {
		onChange(environment) {
			if (environment === undefined) isAllDirty = true;
			else dirty.add(environment);
		},
	});

	/** What is to be told, if it is time. */
	async function judge(
		told: Watched,
		awayMs: number,
	): Promise<HealthReport | undefined> {
		const { environment, namespace } = told;
		const seen = decideReport(lookout, { target: name, ...told, awayMs });
		const report = seen && keepKnown(told, seen);
		if (report === undefined) {
			// Nobody knows yet: it is looked at again.
			dirty.add(environment);
			return undefined;
		}
		if (!isNews(told, report)) {
			standings.delete(environment);
			return undefined;
		}
		const before = standings.get(environment);
		const since =
			before !== undefined && before.report.health === report.health
				? before.since
				: performance.now();
		standings.set(environment, { report, since });
		dirty.add(environment);
		if (performance.now() - since < delayOf(report)) return undefined;
		const full = await complete(report, environment, namespace);
		standings.delete(environment);
		return isNews(told, full) ? full : undefined;
	}

	async function complete(
		report: HealthReport,
		environment: string,
		namespace: string,
	): Promise<HealthReport> {
		if (report.health !== "degraded") return report;
		const sighting = await lookout.explain(environment, namespace);
		const now = sighting && decideSighting(sighting, namespace);
		return now?.health === "degraded" ? now : report;
	}

	async function tell(
		watch: Watch,
		news: readonly Omit<Watched, "namespace">[],
	): Promise<void> {
		const written = new Set(await writeHealth(db, watch, news));
		for (const { environment, health } of news)
			if (written.has(environment))
				log.info({ environment, health }, "health has changed");
	}

	return {
		async pass(watch, all) {
			const only = all || isAllDirty ? undefined : [...dirty];
			isAllDirty = false;
			dirty.clear();
			const isAway = lookout.reach().state === "away";
			awaySince = isAway ? (awaySince ?? performance.now()) : undefined;
			const awayMs =
				awaySince === undefined ? 0 : performance.now() - awaySince;
			const watched = await listWatched(db, watch.target, only);
			const news: Omit<Watched, "namespace">[] = [];
			for (const told of watched) {
				const report = await judge(told, awayMs);
				if (report !== undefined)
					news.push({ environment: told.environment, ...report });
			}
			for (let at = 0; at < news.length; at += atOnce)
				await tell(watch, news.slice(at, at + atOnce));
			if (only === undefined) forgetOthers(standings, watched);
		},
		hasNews: () => isAllDirty || dirty.size > 0,
		close: () => lookout.close(),
	};
}

function forgetOthers(
	standings: Map<string, Standing>,
	watched: readonly Watched[],
): void {
	const known = new Set<string>(watched.map(({ environment }) => environment));
	for (const environment of standings.keys())
		if (!known.has(environment)) standings.delete(environment);
}

/** Undefined: it cannot be said yet, and what was told stays. */
function decideReport(
	lookout: Lookout,
	{
		target,
		environment,
		namespace,
		awayMs,
	}: Pick<Watched, "environment" | "namespace"> & {
		readonly target: string;
		readonly awayMs: number;
	},
): HealthReport | undefined {
	const reach = lookout.reach();
	switch (reach.state) {
		case "starting":
			return undefined;
		case "away":
			return awayMs < healthDelaysMs.unreachable
				? undefined
				: blame("unreachable", target, "Unreachable", reach.message);
		case "refused":
			return blame("unknown", target, "NotWatched", reach.message);
		case "seeing":
			return decideSighting(lookout.read(environment), namespace);
	}
}

const blame = (
	health: HealthReport["health"],
	name: string,
	reason: string,
	message: string,
): HealthReport =>
	makeReport(health, [{ kind: "Target", name, reason, message }]);

function decideSighting(
	sighting: Sighting | undefined,
	namespace: string,
): HealthReport {
	if (sighting === undefined || sighting.workloads === 0) {
		const message = "None of its workloads is there any more.";
		return makeReport("degraded", [
			{ kind: "v1/Namespace", name: namespace, reason: "Gone", message },
		]);
	}
	const { reasons } = sighting;
	return makeReport(reasons.length === 0 ? "healthy" : "degraded", reasons);
}

const delayOf = ({ health }: HealthReport): number =>
	health === "degraded" || health === "healthy" ? healthDelaysMs[health] : 0;
