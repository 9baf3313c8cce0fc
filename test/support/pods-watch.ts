// Watches the pods of a namespace and remembers what it saw, in the order in which the API server told it.
import { readFileSync } from "node:fs";
import { makeClient } from "../../src/cluster/client.ts";
import { followObjects } from "../../src/cluster/follow.ts";
import { defaultLimits } from "../../src/cluster/limits.ts";
import type { Pod } from "../../src/cluster/objects.ts";
import { makeSource } from "../../src/cluster/sources.ts";
import { partLabel } from "../../src/domain/cluster.ts";

/** A pod that came since `forget`. The moments are numbers of looks, not times. */
export interface SeenPod {
	readonly part: string;
	readonly seenAt: number;
	/** When it was ready first, or had succeeded. */
	readyAt: number | undefined;
}

export interface PodsWatch {
	/** Begins anew: what is there now is not fresh. */
	forget(): void;
	listFresh(): readonly SeenPod[];
	/** How many pods of a part there were at most at one moment, those counted that were about to end. */
	countMost(part: string): number;
	stop(): Promise<void>;
}

/** Fulfils once the pods that are there were seen. */
export async function watchPods(
	kubeconfigPath: string,
	namespace: string,
): Promise<PodsWatch> {
	const client = makeClient(
		readFileSync(kubeconfigPath, "utf8"),
		defaultLimits,
	);
	const stopping = new AbortController();
	const first = Promise.withResolvers<void>();
	let old = new Set<string>();
	let now: readonly Pod[] = [];
	let fresh = new Map<string, SeenPod>();
	let most = new Map<string, number>();
	let looks = 0;

	function look(): void {
		looks++;
		const counts = new Map<string, number>();
		for (const pod of now) {
			const uid = pod.metadata?.uid ?? "";
			const part = pod.metadata?.labels?.[partLabel] ?? "verify";
			if (!isOver(pod)) counts.set(part, (counts.get(part) ?? 0) + 1);
			if (old.has(uid)) continue;
			const seen = fresh.get(uid) ?? {
				part,
				seenAt: looks,
				readyAt: undefined,
			};
			fresh.set(uid, seen);
			if (isReady(pod)) seen.readyAt ??= looks;
		}
		for (const [part, count] of counts)
			most.set(part, Math.max(count, most.get(part) ?? 0));
	}

	const following = followObjects<Pod>(client, {
		collection: makeSource(namespace, "pods"),
		signal: stopping.signal,
		onChange(pods) {
			now = [...pods.values()];
			look();
			first.resolve();
		},
	});
	following.catch(first.reject);
	await first.promise;
	const watch: PodsWatch = {
		forget() {
			old = new Set(now.map(({ metadata }) => metadata?.uid ?? ""));
			fresh = new Map();
			most = new Map();
			look();
		},
		listFresh: () => [...fresh.values()],
		countMost: (part) => most.get(part) ?? 0,
		async stop() {
			stopping.abort();
			await following;
			client.close();
		},
	};
	watch.forget();
	return watch;
}

const isOver = ({ status }: Pod): boolean =>
	status?.phase === "Succeeded" || status?.phase === "Failed";

const isReady = (pod: Pod): boolean =>
	pod.status?.phase === "Succeeded" ||
	(pod.status?.conditions ?? []).some(
		({ type, status }) => type === "Ready" && status === "True",
	);
