// What a warm child and its parent say to each other. The channel keeps the order, and a child runs one
// update at a time, so nothing needs a number.
import type { Stage } from "../domain/blueprint.ts";
import type {
	Engine,
	EngineOutcome,
	EngineRun,
	EngineSettings,
	EngineStep,
} from "../domain/engine.ts";
import type { NewEvent } from "../domain/event.ts";
import type { FailureRecord } from "../failure.ts";
import type { ProcessRef } from "../processes.ts";

export type Verb = keyof Engine;

export type ToChild =
	// Over the channel and not by argument or variable: a passphrase is in it.
	| { readonly type: "start"; readonly settings: EngineSettings }
	| {
			readonly type: "run";
			readonly verb: Verb;
			readonly run: EngineRun;
			/** Whether the run pauses after each stage until it is told to go on. */
			readonly isStaged: boolean;
			/** Whether somebody wants to know of each step. */
			readonly isTraced: boolean;
	  }
	/** What became of the stage that the child told of: null, or why not to go on. */
	| { readonly type: "stageEnded"; readonly failure: FailureRecord | null }
	| { readonly type: "abort" }
	| { readonly type: "stop" };

export type ToParent =
	| { readonly type: "ready" }
	/** The CLI that runs now, so that the parent can end it when the child is gone. */
	| { readonly type: "process"; readonly cli: ProcessRef | null }
	| { readonly type: "event"; readonly event: NewEvent }
	| { readonly type: "stage"; readonly stage: Stage }
	| { readonly type: "step"; readonly step: EngineStep }
	| {
			readonly type: "succeeded";
			readonly outcome: EngineOutcome;
			readonly memoryMiB: number;
	  }
	| {
			readonly type: "failed";
			readonly failure: FailureRecord;
			readonly memoryMiB: number;
	  };
