import { setTimeout as pause } from "node:timers/promises";
import { Failure } from "../failure.ts";
import type { Client } from "./client.ts";
import type { KubeObject } from "./objects.ts";

/** Which objects of one kind. */
export interface Collection {
	/** Plural and lower-case, for messages. */
	readonly what: string;
	readonly path: string;
	readonly query?: Readonly<Record<string, string>>;
}

export interface Following<T> {
	readonly collection: Collection;
	readonly signal: AbortSignal;
	/** Called with all objects after each change; the first time once all are known. The map is the same each time. */
	readonly onChange: (objects: ReadonlyMap<string, T>) => void;
}

interface List<T> {
	readonly metadata?: { readonly resourceVersion?: string };
	readonly items: readonly T[];
}

/**
 * Keeps a copy of a collection: lists it, watches it from there, watches again when a watch ends or breaks,
 * and lists again when the server no longer knows our place (410, "Efficient detection of changes" in
 * Kubernetes' API concepts). Fulfils when the signal aborts. Throws a Failure when the server refuses, or
 * has been away, or of another mind than before, for `outageMs`.
 */
export async function followObjects<T extends KubeObject>(
	client: Client,
	{ collection, signal, onChange }: Following<T>,
): Promise<void> {
	const objects = new Map<string, T>();
	let place: string | undefined;
	let awaySince: number | undefined;
	let wasAllowed = false;
	let short = 0;
	while (!signal.aborted) {
		const startedAt = performance.now();
		try {
			if (place === undefined) {
				const list = await listObjects<T>(client, collection, signal);
				replaceAll(objects, list.items);
				place = list.metadata?.resourceVersion ?? "0";
				wasAllowed = true;
				onChange(objects);
			}
			const events = await openWatch<T>(client, {
				collection,
				signal,
				place,
			});
			awaySince = undefined;
			for await (const event of events) {
				if (event.type === "ERROR") {
					place = undefined;
					break;
				}
				place = event.object.metadata?.resourceVersion ?? place;
				if (event.type === "BOOKMARK") continue;
				applyChange(objects, event.type, event.object);
				onChange(objects);
			}
		} catch (error) {
			if (signal.aborted) return;
			if (!mayPass(error, wasAllowed)) throw error;
			awaySince ??= performance.now();
			if (performance.now() - awaySince >= client.limits.outageMs) throw error;
		}
		// A watch that ends as soon as it began must not make us hammer the server.
		short = performance.now() - startedAt < 1_000 ? short + 1 : 0;
		await pauseBefore(short, signal);
	}
}

/**
 * An API server that has just started refuses for a moment what it will allow: it does not know its roles
 * yet. So a refusal is believed at once only if nothing was allowed before.
 */
const mayPass = (error: unknown, wasAllowed: boolean): boolean =>
	error instanceof Failure &&
	(error.retryable || (wasAllowed && error.code === "not_set_up"));

async function listObjects<T>(
	client: Client,
	{ what, path, query }: Collection,
	signal: AbortSignal,
): Promise<List<T>> {
	const request = { what: `list ${what}`, path, query: query ?? {}, signal };
	const answer = await client.send<List<T>>(request);
	if (answer.ok) return answer.body;
	throw new Failure({
		code: "unavailable",
		message: `The Kubernetes API server at ${client.address} cannot list ${what}: ${answer.body.message ?? answer.status}.`,
		retryable: true,
	});
}

function openWatch<T>(
	client: Client,
	{
		collection: { what, path, query },
		signal,
		place,
	}: { collection: Collection; signal: AbortSignal; place: string },
) {
	return client.watch<T>({
		what: `watch ${what}`,
		path,
		query: {
			...query,
			watch: "true",
			resourceVersion: place,
			allowWatchBookmarks: "true",
			timeoutSeconds: String(Math.ceil(client.limits.watchMs / 1000)),
		},
		signal,
	});
}

const identify = (object: KubeObject): string =>
	object.metadata?.uid ?? object.metadata?.name ?? "";

function replaceAll<T extends KubeObject>(
	objects: Map<string, T>,
	items: readonly T[],
): void {
	objects.clear();
	for (const item of items) objects.set(identify(item), item);
}

function applyChange<T extends KubeObject>(
	objects: Map<string, T>,
	type: "ADDED" | "MODIFIED" | "DELETED",
	object: T,
): void {
	if (type === "DELETED") objects.delete(identify(object));
	else objects.set(identify(object), object);
}

/** 20 ms after the first early end in a row, then doubling up to 1 s. */
async function pauseBefore(short: number, signal: AbortSignal): Promise<void> {
	if (short === 0) return;
	const ms = Math.min(20 * 2 ** (short - 1), 1_000);
	await pause(ms, undefined, { signal }).catch(() => undefined);
}
