// Follows a collection without keeping it: who follows decides what is worth remembering.
import { setTimeout as pause } from "node:timers/promises";
import { Failure } from "../failure.ts";
import type { Client } from "./client.ts";
import type { Collection } from "./follow.ts";
import type { KubeObject } from "./objects.ts";

export interface Streaming<T> {
	readonly collection: Collection;
	readonly signal: AbortSignal;
	/** All that follows until `onListed` is the whole collection anew: what was known before is not known any more. */
	readonly onListing: () => void;
	readonly onObject: (
		change: "LISTED" | "ADDED" | "MODIFIED" | "DELETED",
		object: T,
	) => void;
	readonly onListed: () => void;
	/** What ended a list or a watch; undefined once one works again. Called at each try. */
	readonly onTrouble: (trouble: Failure | undefined) => void;
}

interface List<T> {
	readonly metadata?: {
		readonly resourceVersion?: string;
		readonly continue?: string;
	};
	readonly items: readonly T[];
}

/** A page is all that is in memory of a list at a time. */
const pageSize = "50";

/** Fulfils when the signal aborts; whatever goes wrong is told, and tried again for ever. */
export async function streamObjects<T extends KubeObject>(
	client: Client,
	streaming: Streaming<T>,
): Promise<void> {
	const { signal, onTrouble } = streaming;
	let place: string | undefined;
	let failures = 0;
	while (!signal.aborted) {
		const startedAt = performance.now();
		try {
			place ??= await list(client, streaming);
			place = await watch(client, streaming, place);
			failures = performance.now() - startedAt < 1_000 ? failures + 1 : 0;
		} catch (error) {
			if (signal.aborted) return;
			failures += 1;
			// A Failure is the cluster's doing; anything else is a fault of ours, and no less to be told.
			onTrouble(
				error instanceof Failure
					? error
					: new Failure({
							code: "internal",
							message: "Watching the cluster broke.",
							cause: error,
						}),
			);
		}
		if (failures > 0) {
			const ms = Math.min(50 * 2 ** (failures - 1), 2_000);
			await pause(ms, undefined, { signal }).catch(() => undefined);
		}
	}
}

/** Tells all that there is, page by page. Returns the place to watch from. */
async function list<T extends KubeObject>(
	client: Client,
	{ collection, signal, ...told }: Streaming<T>,
): Promise<string> {
	told.onListing();
	let next: string | undefined;
	for (;;) {
		const answer = await client.send<List<T>>({
			what: `list ${collection.what}`,
			path: collection.path,
			query: {
				...collection.query,
				limit: pageSize,
				...(next && { continue: next }),
			},
			signal,
		});
		// 410: the list was read too slowly, and begins anew.
		if (!answer.ok) {
			throw new Failure({
				code: "unavailable",
				message: `The Kubernetes API server at ${client.address} cannot list ${collection.what}: ${answer.body.message ?? answer.status}.`,
				retryable: true,
			});
		}
		for (const object of answer.body.items) told.onObject("LISTED", object);
		next = answer.body.metadata?.continue;
		if (!next) {
			told.onListed();
			return answer.body.metadata?.resourceVersion ?? "0";
		}
	}
}

/** Until the watch ends. Returns the place to go on from; undefined if the server knows it no more. */
async function watch<T extends KubeObject>(
	client: Client,
	{ collection, signal, onObject, onTrouble }: Streaming<T>,
	from: string,
): Promise<string | undefined> {
	let place = from;
	const events = await client.watch<T>({
		what: `watch ${collection.what}`,
		path: collection.path,
		query: {
			...collection.query,
			watch: "true",
			resourceVersion: place,
			allowWatchBookmarks: "true",
			timeoutSeconds: String(Math.ceil(client.limits.watchMs / 1_000)),
		},
		signal,
	});
	onTrouble(undefined);
	for await (const { type, object } of events) {
		if (type === "ERROR") return undefined;
		place = object.metadata?.resourceVersion ?? place;
		if (type !== "BOOKMARK") onObject(type, object);
	}
	return place;
}
