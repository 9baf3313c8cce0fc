// What `apply` needs of an engine. The worker lends a value that keeps these promises.
import type {
	BlueprintInput,
	BlueprintOutputs,
	BlueprintVersion,
} from "./blueprint.ts";
import type { NewEvent } from "./event.ts";
import type { Changes } from "./operation.ts";

export interface EngineRun {
	readonly project: string;
	readonly stack: string;
	readonly blueprint: BlueprintVersion;
	readonly input: BlueprintInput;
}

export interface EngineHooks {
	/** Aborting it interrupts the engine, which finishes what is in flight; after a grace it is ended by force. */
	readonly signal: AbortSignal;
	/** Called in order, never concurrently. What it returns is awaited before the run ends. */
	readonly onEvent: (event: NewEvent) => void | Promise<void>;
}

export interface EngineOutcome {
	readonly changes: Changes;
	/** null after a destroy. */
	readonly outputs: BlueprintOutputs | null;
}

/**
 * Runs one update at a time.
 *
 * Both throw a Failure: `engine_failed` for what the program or a provider reports, `unavailable`
 * (retryable) when the target or the engine itself cannot be reached, `not_set_up` when the CLI or a
 * plugin is missing, `cancelled` when the signal ended the run.
 */
export interface Engine {
	/** Creates or updates the stack so that it is as the program says. Running it twice does no harm. */
	up(run: EngineRun, hooks: EngineHooks): Promise<EngineOutcome>;
	/** Deletes what the stack's state knows of, and the stack. A stack that does not exist is no error. */
	destroy(run: EngineRun, hooks: EngineHooks): Promise<EngineOutcome>;
}
