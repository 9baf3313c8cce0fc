// The pauses between the stages of one run.
import type { Pace } from "../domain/blueprint.ts";
import type { EngineHooks } from "../domain/engine.ts";

export interface StageFollower {
	/** What the program calls; undefined where nobody wants it to pause. */
	readonly pace: Pace | undefined;
	/** Fulfils as the run does. If a pause was refused, that is why the run failed, whatever the CLI makes of it. */
	settle<T>(run: Promise<T>): Promise<T>;
}

export function followStages({ onStage }: EngineHooks): StageFollower {
	let refusal: { readonly reason: unknown } | undefined;
	return {
		pace:
			onStage &&
			(async (stage) => {
				try {
					await onStage(stage);
				} catch (reason) {
					refusal = { reason };
					throw reason;
				}
			}),
		async settle(run) {
			try {
				return await run;
			} catch (error) {
				throw refusal === undefined ? error : refusal.reason;
			}
		},
	};
}
