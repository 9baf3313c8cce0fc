// Watches all environments of a cluster by three watches, however many there are, and asks every few seconds whether the
// API server is there: a watch on a connection that died without a word would not tell.
import { setTimeout as pause } from "node:timers/promises";
import { environmentLabel } from "../domain/cluster.ts";
import type { Lookout, LookoutHooks, Reach } from "../domain/health.ts";
import { Failure } from "../failure.ts";
import { type Client, makeClient } from "./client.ts";
import { type ClusterLimits, defaultLimits } from "./limits.ts";
import type { KubeEvent, KubeObject } from "./objects.ts";
import { makeSightings, type WatchedKind } from "./sightings.ts";
import { makeWarningSource } from "./sources.ts";
import { streamObjects } from "./stream.ts";

const paths: Readonly<Record<WatchedKind, string>> = {
	deployments: "/apis/apps/v1/deployments",
	statefulSets: "/apis/apps/v1/statefulsets",
	pods: "/api/v1/pods",
};

/** In milliseconds. */
export interface LookoutPace {
	/** How often it is asked whether the server is there. */
	readonly askEveryMs: number;
	/** How long an answer may take. */
	readonly answerMs: number;
}

const defaultPace: LookoutPace = { askEveryMs: 3_000, answerMs: 5_000 };

/** A watch is not asked for anew as often as while an operation waits: nobody is in a hurry, and the question finds a dead server. */
const watchMs = 5 * 60_000;

/** Begins to watch at once. Throws `not_set_up` if the kubeconfig is of no use. */
export function openLookout(
	kubeconfig: string,
	{ onChange }: LookoutHooks,
	options: {
		readonly limits?: Partial<ClusterLimits>;
		readonly pace?: LookoutPace;
	} = {},
): Lookout {
	const limits = { ...defaultLimits, watchMs, ...options.limits };
	const client = makeClient(kubeconfig, limits);
	const stop = new AbortController();
	const { signal } = stop;
	const sightings = makeSightings();
	const kinds = Object.keys(paths) as WatchedKind[];
	const listed = new Set<WatchedKind>();
	const troubles = new Map<WatchedKind | "server", Failure>();

	const noteTrouble = (
		of: WatchedKind | "server",
		trouble: Failure | undefined,
	) => {
		const had = troubles.has(of);
		if (trouble === undefined) troubles.delete(of);
		else troubles.set(of, trouble);
		if (had !== troubles.has(of)) onChange(undefined);
	};
	const follow = (kind: WatchedKind) =>
		streamObjects<KubeObject>(client, {
			collection: {
				what: `${kind.toLowerCase()} of environments`,
				path: paths[kind],
				query: { labelSelector: environmentLabel },
			},
			signal,
			onListing() {
				listed.delete(kind);
				sightings.forget(kind);
			},
			onObject(change, object) {
				const environment = sightings.note(kind, change, object);
				if (change !== "LISTED" && environment !== undefined)
					onChange(environment);
			},
			onListed() {
				listed.add(kind);
				onChange(undefined);
			},
			onTrouble: (trouble) => noteTrouble(kind, trouble),
		});
	const followings = [
		...kinds.map(follow),
		askOften(client, { ...defaultPace, ...options.pace, signal }, (trouble) =>
			noteTrouble("server", trouble),
		),
	];

	return {
		reach: () =>
			decideReach([...troubles.values()], listed.size === kinds.length),
		read: (environment) => sightings.read(environment, []),
		async explain(environment, namespace) {
			const warnings = await listWarnings(client, namespace, signal);
			return sightings.read(environment, warnings);
		},
		async close() {
			stop.abort();
			await Promise.all(followings);
			client.close();
		},
	};
}

function decideReach(troubles: readonly Failure[], isComplete: boolean): Reach {
	const away = troubles.find(({ code }) => code === "unavailable");
	if (away !== undefined) return { state: "away", message: away.message };
	const [refused] = troubles;
	if (refused !== undefined)
		return { state: "refused", message: refused.message };
	return { state: isComplete ? "seeing" : "starting" };
}

/** The version may be read by whoever is signed in. Any answer is one. */
async function askOften(
	client: Client,
	{ askEveryMs, answerMs, signal }: LookoutPace & { signal: AbortSignal },
	tell: (trouble: Failure | undefined) => void,
): Promise<void> {
	while (!signal.aborted) {
		const inTime = AbortSignal.timeout(answerMs);
		try {
			await client.send({
				what: "ask for its version",
				path: "/version",
				signal: AbortSignal.any([signal, inTime]),
			});
			tell(undefined);
		} catch (error) {
			if (signal.aborted) return;
			tell(explainSilence(client, error, inTime.aborted));
		}
		await pause(askEveryMs, undefined, { signal }).catch(() => undefined);
	}
}

function explainSilence(
	client: Client,
	error: unknown,
	isLate: boolean,
): Failure | undefined {
	if (isLate) {
		return new Failure({
			code: "unavailable",
			message: `The Kubernetes API server at ${client.address} does not answer.`,
			retryable: true,
		});
	}
	return error instanceof Failure && error.code === "unavailable"
		? error
		: undefined;
}

/** Nothing when they cannot be had: they would only say more. */
async function listWarnings(
	client: Client,
	namespace: string,
	signal: AbortSignal,
): Promise<readonly KubeEvent[]> {
	const { what, path, query } = makeWarningSource(namespace);
	try {
		const answer = await client.send<{ items: readonly KubeEvent[] }>({
			what: `list ${what}`,
			path,
			query: { ...query, limit: "500" },
			signal,
		});
		return answer.ok ? answer.body.items : [];
	} catch {
		return [];
	}
}
