// Plays the Jobs that make and restore backups. Containers do not run in the sandbox, but these Jobs' work can be
// done: each container's own command runs here as a process, with a folder for the claim, against a MongoDB stand-in
// that belongs to the namespace and goes with it.
import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { jobLabel, managedBy, managedByLabel } from "../domain/cluster.ts";
import { Failure, type FailureCode } from "../failure.ts";
import type { Api, ApiList, ApiObject } from "./api.ts";
import type { Tools } from "./components.ts";
import { type Ferretdb, startFerretdb } from "./ferretdb.ts";
import { composeStatus, type JobsPlayer, type Outcome } from "./jobs.ts";
import type { Pod } from "./namespace-view.ts";
import type { ProgramHost } from "./program.ts";
import { runContainers } from "./scripts.ts";

const listAgainMs = 500;

export interface BackupsPlan extends ProgramHost {
	readonly api: Api;
	readonly tools: Tools;
	/** Holds a folder per namespace: its server's data and its claims. */
	readonly dir: string;
}

/** Follows the pods of backup and restore Jobs in all namespaces and runs each, until stopped. */
export function playBackups(plan: BackupsPlan): JobsPlayer {
	const stopping = new AbortController();
	const { signal } = stopping;
	const servers = makeServers(plan);
	const running = new Map<
		string,
		{ readonly done: Promise<void>; readonly gone: AbortController }
	>();

	function play(pod: Pod): void {
		const { uid, deletionTimestamp } = pod.metadata;
		if (pod.status.phase !== "Running" || running.has(uid)) return;
		if (deletionTimestamp !== undefined || signal.aborted) return;
		const gone = new AbortController();
		const done = finishPod(
			plan,
			servers,
			pod,
			AbortSignal.any([signal, gone.signal]),
		).catch((error: unknown) => {
			if (!signal.aborted && !isFailure(error, "unavailable")) {
				plan.log(`a backup Job could not be played: ${String(error)}`);
			}
		});
		running.set(uid, { done, gone });
		void done.then(() => running.delete(uid));
	}

	const followings = [
		followFor<Pod>(plan, signal, {
			path: `/api/v1/pods?labelSelector=${encodeURIComponent(`${jobLabel} in (backup,restore)`)}`,
			onList: (pods) => pods.forEach(play),
			onEvent: (type, pod) => {
				// With its pod ends what runs in it.
				if (type === "DELETED") running.get(pod.metadata.uid)?.gone.abort();
				else play(pod);
			},
		}),
		followFor<ApiObject>(plan, signal, {
			path: `/api/v1/namespaces?labelSelector=${encodeURIComponent(`${managedByLabel}=${managedBy}`)}`,
			onList: (namespaces) =>
				servers.keepOnly(namespaces.map(({ metadata }) => metadata.name)),
			onEvent: (type, namespace) => {
				if (type === "DELETED") void servers.remove(namespace.metadata.name);
			},
		}),
	];
	return {
		async stop() {
			stopping.abort();
			await Promise.all([
				...followings,
				...[...running.values()].map(({ done }) => done),
			]);
			await servers.stop();
		},
	};
}

interface Following<Item> {
	readonly path: string;
	readonly onList: (items: readonly Item[]) => void;
	readonly onEvent: (type: string, item: Item) => void;
}

/** Lists and watches, again and again. An API server that is away is told of by whoever starts it again. */
async function followFor<Item>(
	{ api }: BackupsPlan,
	signal: AbortSignal,
	following: Following<Item>,
): Promise<void> {
	while (!signal.aborted) {
		try {
			const list = await api.find<ApiList<Item>>(following.path);
			following.onList(list.items);
			const since = list.metadata.resourceVersion;
			for await (const event of api.watch<Item>(
				`${following.path}&watch=1&resourceVersion=${since}`,
				signal,
			)) {
				if (event.type === "ERROR") break;
				following.onEvent(event.type, event.object);
			}
		} catch (error) {
			if (!isFailure(error, "unavailable")) throw error;
		}
		await delay(listAgainMs, undefined, { signal }).catch(() => undefined);
	}
}

const isFailure = (error: unknown, code: FailureCode): boolean =>
	error instanceof Failure && error.code === code;

interface Servers {
	/** Starts the namespace's own server if it does not run. */
	open(namespace: string): Promise<Ferretdb>;
	/** Ends it, and deletes all that the namespace had. */
	remove(namespace: string): Promise<void>;
	/** Removes those whose namespace went while nobody looked. */
	keepOnly(namespaces: readonly string[]): void;
	stop(): Promise<void>;
}

function makeServers({ dir, tools, ...host }: BackupsPlan): Servers {
	const started = new Map<string, Promise<Ferretdb>>();
	const stopOne = async (namespace: string): Promise<void> => {
		const server = started.get(namespace);
		started.delete(namespace);
		await server?.then(({ stop }) => stop()).catch(() => undefined);
	};
	const remove = async (namespace: string): Promise<void> => {
		await stopOne(namespace);
		rmSync(join(dir, namespace), { recursive: true, force: true });
	};
	return {
		open(namespace) {
			const known = started.get(namespace);
			if (known !== undefined) return known;
			const server = startFerretdb(join(dir, namespace), tools, host);
			started.set(namespace, server);
			// The next one who asks tries again.
			server.catch(() => started.delete(namespace));
			return server;
		},
		remove,
		keepOnly(namespaces) {
			const folders = existsSync(dir) ? readdirSync(dir) : [];
			for (const folder of folders) {
				if (!namespaces.includes(folder)) void remove(folder);
			}
		},
		async stop() {
			await Promise.all([...started.keys()].map(stopOne));
		},
	};
}

async function finishPod(
	plan: BackupsPlan,
	servers: Servers,
	pod: Pod,
	signal: AbortSignal,
): Promise<void> {
	const { api, dir, tools, claim } = plan;
	const { name, namespace = "default" } = pod.metadata;
	let outcome: Outcome;
	try {
		const { uri } = await servers.open(namespace);
		outcome = await runContainers(pod, {
			folder: join(dir, namespace),
			uri,
			tools,
			claim,
			signal,
		});
	} catch (error) {
		if (signal.aborted) return;
		outcome = {
			exitCode: 1,
			message: JSON.stringify({ reason: "sandbox", error: String(error) }),
		};
	}
	// A Job that was cut short by the sandbox's own end is played anew at its next start.
	if (signal.aborted) return;
	try {
		await api.patch(
			`/api/v1/namespaces/${namespace}/pods/${name}/status`,
			composeStatus(pod, outcome),
		);
	} catch (error) {
		// It was deleted meanwhile: nobody waits for its outcome any more.
		if (!isFailure(error, "not_found")) throw error;
	}
}
