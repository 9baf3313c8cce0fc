// The only double: an engine and a cluster that do what a script says, for what the real ones cannot be
// made to do on demand. test/flows uses the real ones.
import type { AwsAccess, Cloud, OwnedStorage } from "../../src/domain/aws.ts";
import type { BlueprintOutputs } from "../../src/domain/blueprint.ts";
import type {
	Backup,
	BackupRequest,
	Cluster,
	ClusterHooks,
	RestoreRequest,
	StockRequest,
} from "../../src/domain/cluster.ts";
import type {
	Engine,
	EngineHooks,
	EngineOutcome,
	EngineRun,
} from "../../src/domain/engine.ts";
import { noChanges } from "../../src/domain/operation.ts";
import type { Existing } from "../../src/domain/stock.ts";
import { Failure } from "../../src/failure.ts";

export const scriptedOutputs: BlueprintOutputs = {
	endpoints: {
		client: "https://client.example",
		server: "https://server.example",
		analyticsFront: "https://analytics.example",
		websocket: "wss://websocket.example",
	},
	checks: [{ process: "server", url: "http://server:8888/", version: "0.6.0" }],
};

export const scriptedBackup: Backup = {
	name: "20260102T030405Z-abcde",
	// Not long ago, or its time would be over.
	takenAt: new Date().toISOString(),
	bytes: 1024,
	parts: 4,
	oplog: true,
	sha256: "0".repeat(64),
};

/** Fulfils never, and rejects as the real ones do when the signal aborts. */
export function hang(signal: AbortSignal): Promise<never> {
	return new Promise((_, reject) => {
		const cancel = () =>
			reject(
				new Failure({ code: "cancelled", message: "It was interrupted." }),
			);
		if (signal.aborted) cancel();
		else signal.addEventListener("abort", cancel, { once: true });
	});
}

type Step<T> = (hooks: { signal: AbortSignal } & EngineHooks) => Promise<T>;

export interface Script {
	up?: Step<Partial<EngineOutcome> | undefined>;
	destroy?: Step<Partial<EngineOutcome> | undefined>;
	preview?: Step<Partial<EngineOutcome> | undefined>;
	previewDestroy?: Step<Partial<EngineOutcome> | undefined>;
	ready?: (hooks: ClusterHooks) => Promise<void>;
	rolledOut?: (hooks: ClusterHooks) => Promise<void>;
	stopped?: (hooks: Pick<ClusterHooks, "signal">) => Promise<void>;
	gone?: (hooks: ClusterHooks) => Promise<void>;
	verify?: (hooks: ClusterHooks) => Promise<Record<string, string>>;
	backUp?: (
		request: BackupRequest,
		hooks: ClusterHooks,
	) => Promise<Backup | undefined>;
	restore?: (
		request: RestoreRequest,
		hooks: ClusterHooks,
	) => Promise<Backup | undefined>;
	stock?: (request: StockRequest) => Promise<readonly Existing[]>;
	/** What an account still has of an environment. */
	owned?: (environment: string) => Promise<readonly OwnedStorage[]>;
	/** Buckets with the tag that they are to stay. */
	kept?: readonly string[];
}

export interface ScriptedWorld {
	readonly engine: Engine;
	readonly connectCluster: (kubeconfig: string) => Cluster;
	readonly connectCloud: (access: AwsAccess) => Promise<Cloud>;
	/** What was called, in order. */
	readonly calls: string[];
	readonly runs: EngineRun[];
	/** In which the verifications ran. */
	readonly images: string[];
	/** The names of their runs. */
	readonly verifications: string[];
}

export function makeScriptedWorld(script: Script = {}): ScriptedWorld {
	const calls: string[] = [];
	const runs: EngineRun[] = [];
	const images: string[] = [];
	const verifications: string[] = [];
	const run =
		(name: keyof Engine) =>
		async (
			engineRun: EngineRun,
			hooks: EngineHooks,
		): Promise<EngineOutcome> => {
			calls.push(name);
			runs.push(engineRun);
			const outcome = await script[name]?.(hooks);
			return {
				changes: { ...noChanges, create: 3 },
				outputs: name === "up" ? scriptedOutputs : null,
				...outcome,
			};
		};
	return {
		calls,
		runs,
		images,
		verifications,
		engine: {
			up: run("up"),
			destroy: run("destroy"),
			preview: run("preview"),
			previewDestroy: run("previewDestroy"),
		},
		connectCluster: () => ({
			async waitUntilReady(_namespace, hooks) {
				calls.push("ready");
				await script.ready?.(hooks);
			},
			async waitUntilRolledOut(_namespace, workloads, hooks) {
				calls.push(
					`rolled out: ${workloads.map(({ name }) => name).join(" ")}`,
				);
				await script.rolledOut?.(hooks);
			},
			async waitUntilStopped(_namespace, parts, hooks) {
				calls.push(
					parts.length > 3 ? "stopped" : `stopped: ${parts.join(" ")}`,
				);
				await script.stopped?.(hooks);
			},
			async deleteNamespace(_namespace, _environment, hooks) {
				calls.push("gone");
				await script.gone?.(hooks);
			},
			async verify({ image, run }, hooks) {
				calls.push("verify");
				verifications.push(run);
				images.push(image);
				return (await script.verify?.(hooks)) ?? { server: "0.6.0" };
			},
			async recountQuotas() {},
			async takeStock(request) {
				calls.push("stock");
				return (await script.stock?.(request)) ?? [];
			},
			async backUp(request, hooks) {
				calls.push("backUp");
				return (await script.backUp?.(request, hooks)) ?? scriptedBackup;
			},
			async restore(request, hooks) {
				calls.push(request.dryRun ? "check" : "restore");
				return (await script.restore?.(request, hooks)) ?? scriptedBackup;
			},
			async endRestore() {
				calls.push("endRestore");
			},
			listNamespaces: async () => [],
			listObjects: async () => [],
			hasObject: async () => undefined,
			async close() {
				calls.push("close");
			},
		}),
		connectCloud: async () => ({
			clearUnknown: async () => [],
			listOwned: async () => [],
			async findOwned(environment) {
				calls.push("owned");
				return (await script.owned?.(environment)) ?? [];
			},
			isKept: async (bucket) => script.kept?.includes(bucket) ?? false,
			close: () => {},
		}),
	};
}
