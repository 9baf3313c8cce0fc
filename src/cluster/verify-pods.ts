// What the verification asks of the cluster itself: how many pods of a part there are, and where. A Job in the namespace
// could not tell: its pod has no token, and a process without a port has no name.
import { setTimeout as delay } from "node:timers/promises";
import type { PodPromise } from "../domain/blueprint.ts";
import { partLabel } from "../domain/cluster.ts";
import type { Client } from "./client.ts";
import { findCondition, type Pod } from "./objects.ts";
import { makeSource } from "./sources.ts";

/** A pod that has just been replaced may still be there. */
const patienceMs = 10_000;
const pauseMs = 500;

/** The promises that are not kept, as words for a reader; looks again for a while before it believes it. */
export async function findBrokenPods(
	client: Client,
	request: {
		readonly namespace: string;
		readonly pods: readonly PodPromise[];
	},
	signal: AbortSignal,
): Promise<readonly string[]> {
	const { namespace, pods: promises } = request;
	if (promises.length === 0) return [];
	const deadline = performance.now() + patienceMs;
	for (;;) {
		const broken = decidePods(
			promises,
			await listPods(client, namespace, signal),
		);
		if (broken.length === 0 || performance.now() > deadline) return broken;
		await delay(pauseMs, undefined, { signal }).catch(() => undefined);
		signal.throwIfAborted();
	}
}

async function listPods(
	client: Client,
	namespace: string,
	signal: AbortSignal,
): Promise<readonly Pod[]> {
	const { what, path } = makeSource(namespace, "pods");
	const answer = await client.send<{ readonly items: readonly Pod[] }>({
		what: `list ${what}`,
		path,
		signal,
	});
	return answer.ok ? answer.body.items : [];
}

/** Pure. */
export function decidePods(
	promises: readonly PodPromise[],
	pods: readonly Pod[],
): string[] {
	const living = pods.filter(
		({ status }) => status?.phase !== "Succeeded" && status?.phase !== "Failed",
	);
	return promises.flatMap((promise) => {
		const own = living.filter(
			({ metadata }) => metadata?.labels?.[partLabel] === promise.part,
		);
		const fault = findFault(promise, own);
		return fault === undefined ? [] : [`${promise.part} (${fault})`];
	});
}

function findFault(
	{ ready, exactly, nodes }: PodPromise,
	pods: readonly Pod[],
): string | undefined {
	const working = pods.filter(isReady);
	// One that is about to end still works.
	if (exactly && pods.length !== ready) {
		return `expected exactly ${count(ready, "pod")}, found ${pods.length}`;
	}
	if (working.length < ready) {
		return `expected ${count(ready, "ready pod")}, found ${working.length}`;
	}
	const places = new Set(working.map(({ spec }) => spec?.nodeName)).size;
	return places < nodes
		? `expected on ${count(nodes, "node")}, found on ${places}`
		: undefined;
}

const isReady = ({ metadata, status }: Pod): boolean =>
	metadata?.deletionTimestamp === undefined &&
	findCondition(status?.conditions, "Ready") !== undefined;

const count = (number: number, what: string) =>
	`${number} ${what}${number === 1 ? "" : "s"}`;
