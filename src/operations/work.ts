// What the phases of one attempt share.
import type { AwsAccess, Cloud } from "../domain/aws.ts";
import type { BlueprintOutputs } from "../domain/blueprint.ts";
import type { Cluster } from "../domain/cluster.ts";
import type { DeclaredObject, DriftItem } from "../domain/drift.ts";
import type {
	Engine,
	EngineHooks,
	EngineRun,
	EngineState,
	KnownState,
} from "../domain/engine.ts";
import type { Environment } from "../domain/environment.ts";
import type { NewEvent } from "../domain/event.ts";
import type { PreviewId } from "../domain/ids.ts";
import type { Changes, Operation } from "../domain/operation.ts";
import type { PreviewResult } from "../domain/preview.ts";
import type { SealKey } from "../seal.ts";
import type { Db } from "../store/db.ts";
import type { Lease } from "../store/leases.ts";

/** Keeps the engine's state, for whoever holds the lease. */
export interface EngineStateKeeper {
	/** What opens the stack's state to this lease's runs, and to no other's. `place` is the run's folder. */
	describe(lease: Lease, place: string): EngineState;
	/**
	 * Ends the update that this lease's run began and did not end, because its process is gone: what it did is
	 * recorded, and the stack is free. Returns how many there were: none, if the run ended by itself.
	 */
	end(lease: Lease): Promise<number>;
	/** What the newest state of an environment's stack knows. To be asked when no run of it goes on. */
	read(run: Pick<EngineRun, "project" | "stack">): Promise<KnownState>;
	/** What that state says was applied to the cluster, secrets opened. */
	readDeclared(
		run: Pick<EngineRun, "project" | "stack">,
	): Promise<readonly DeclaredObject[]>;
}

/** What the worker gives to every attempt. */
export interface Tools {
	readonly db: Db;
	readonly sealKey: SealKey;
	readonly engine: Engine;
	readonly engineState: EngineStateKeeper;
	/** Ends what an earlier run in a place left running on this host. For who holds the operation's lease. */
	readonly endLeftover: (place: string) => void;
	/** Connects to the cluster that a kubeconfig names. */
	readonly connectCluster: (kubeconfig: string) => Cluster;
	/** Connects to an account; loads what that takes at the first time. */
	readonly connectCloud: (access: AwsAccess) => Promise<Cloud>;
}

/** What one phase leaves to the next. */
export interface Findings {
	environment?: Environment;
	run?: EngineRun;
	cluster?: Cluster;
	changes?: Changes;
	/** Workloads of which it was told already that they are ready. */
	rolledOut?: ReadonlySet<string>;
	outputs?: BlueprintOutputs;
	preview?: { readonly id: PreviewId; readonly result: PreviewResult };
	versions?: Record<string, string>;
	/** Of a refresh: what differs. */
	drift?: readonly DriftItem[];
	/** The engine was ended before it had written down what became of all that was in flight. */
	wasCutOff?: boolean;
}

/** One phase's view of the attempt. */
export interface Work {
	readonly tools: Tools;
	readonly operation: Operation;
	readonly lease: Lease;
	/** Aborts when the phase is over its deadline, the lease is lost or the worker stops. */
	readonly signal: AbortSignal;
	readonly record: (event: NewEvent) => void;
	/** Runs a transaction as the owner of the operation; see `writeAsOwner`. */
	readonly write: <T>(work: (trx: Db) => Promise<T>) => Promise<T>;
	readonly findings: Findings;
	/** Takes the engine's steps, where they are recorded. */
	readonly onStep?: EngineHooks["onStep"];
}

/** A finding that an earlier phase must have left. */
export function take<K extends keyof Findings>(
	work: Work,
	name: K,
): NonNullable<Findings[K]> {
	const value = work.findings[name];
	if (value === undefined || value === null) {
		throw new Error(`no earlier phase left "${name}"`);
	}
	return value;
}
