// What `apply` needs of an engine. The worker lends a value that keeps these promises.
import type {
	BlueprintInput,
	BlueprintOutputs,
	BlueprintVersion,
	Pace,
} from "./blueprint.ts";
import type { Bundle } from "./bundle.ts";
import type { NewEvent } from "./event.ts";
import type { Changes } from "./operation.ts";
import type { PlannedResource } from "./plan.ts";

/** Where the state of a run's stack is kept, and what opens it to this run. Secrets. */
export interface EngineState {
	readonly url: string;
	readonly environment: Readonly<Record<string, string>>;
}

export interface EngineRun {
	readonly project: string;
	readonly stack: string;
	readonly blueprint: BlueprintVersion;
	/** The code to run; without it, the engine's own of that version. */
	readonly bundle?: Bundle;
	readonly input: BlueprintInput;
	readonly state: EngineState;
	/** Of an `up`: whether it looks first what is there, instead of believing its state. */
	readonly refresh?: boolean;
	/** The name of its folder on this machine, where it is not the stack's: two runs that shared one would race. */
	readonly place?: string;
}

/** Where a run's files are, below the work folder. */
export const placeOf = ({ place, stack }: EngineRun): string => place ?? stack;

/** What the engine did to one resource, and when, in milliseconds since 1970. */
export interface EngineStep {
	readonly change: "create" | "update" | "replace" | "delete";
	readonly kind: string;
	readonly name: string;
	readonly state: "succeeded" | "failed";
	readonly startedAt: number;
	readonly endedAt: number;
}

export interface EngineHooks {
	/** Aborting it interrupts the engine, which finishes what is in flight; after a grace it is ended by force. */
	readonly signal: AbortSignal;
	/** Called in order, never concurrently. What it returns is awaited before the run ends. */
	readonly onEvent: (event: NewEvent) => void | Promise<void>;
	/**
	 * Holds an `up` after each stage until the stage runs. What it throws ends the run: later stages stay as they are,
	 * and nothing is deleted. Without it nothing waits for anything.
	 */
	readonly onStage?: Pace;
	/** Told of each step, where somebody wants to know. It delays nothing, and what it misses is no failure. */
	readonly onStep?: ((step: EngineStep) => void) | undefined;
}

export interface EngineOutcome {
	readonly changes: Changes;
	/** null after a destroy. */
	readonly outputs: BlueprintOutputs | null;
	/** Of a preview: every resource, as it is and as it would be. `changes` counts what would be done. */
	readonly plan?: readonly PlannedResource[];
}

/** What an engine's state knows of a resource. */
export interface KnownResource {
	/** The engine's type, as in `kubernetes:apps/v1:Deployment`. */
	readonly type: string;
	/** What the provider calls it; null while it is being made. */
	readonly id: string | null;
}

export interface KnownState {
	readonly resources: readonly KnownResource[];
	/** Creates that were cut off: nobody told the engine how they came out. */
	readonly pending: readonly Pick<KnownResource, "type">[];
}

/** What an engine must be told of the machine that it runs on. */
export interface EngineSettings {
	/** The Pulumi CLI's executable. */
	readonly pulumiBin: string;
	/** The Kubernetes provider's executable. */
	readonly pluginBin: string;
	/** The AWS provider's executable, where there is one. Needed for targets with AWS only. */
	readonly awsPluginBin?: string | undefined;
	/** The CLI's home: a folder of ours, made when it is missing. */
	readonly pulumiHome: string;
	/** Holds a folder per stack, with what the CLI reads and nothing that must be kept. */
	readonly workRoot: string;
	/** The machine's environment; little of it reaches the CLI. */
	readonly environment: Readonly<Record<string, string | undefined>>;
	/** How long an interrupted CLI may go on, in milliseconds, before it is ended by force. */
	readonly graceMs?: number;
}

/**
 * Runs one update at a time.
 *
 * All throw a Failure: `engine_failed` for what the program or a provider reports, `unavailable`
 * (retryable) when the target or the engine itself cannot be reached, `not_set_up` when the CLI or a
 * plugin is missing, `cancelled` when the signal ended the run.
 */
export interface Engine {
	/** Creates or updates the stack so that it is as the program says. Running it twice does no harm. */
	up(run: EngineRun, hooks: EngineHooks): Promise<EngineOutcome>;
	/** Deletes what the stack's state knows of, and the stack. A stack that does not exist is no error. */
	destroy(run: EngineRun, hooks: EngineHooks): Promise<EngineOutcome>;
	/** Says what `up` would do, by the stack's newest state and the API servers' opinion. Changes nothing and takes no lock. */
	preview(run: EngineRun, hooks: EngineHooks): Promise<EngineOutcome>;
	/** As `preview`, of a `destroy`. */
	previewDestroy(run: EngineRun, hooks: EngineHooks): Promise<EngineOutcome>;
}
