// The events of one run on their way to the caller: in order, one at a time, and counted.
import type { EngineEvent } from "@pulumi/pulumi/automation/index.js";
import type { EngineHooks } from "../domain/engine.ts";
import { type Changes, noChanges } from "../domain/operation.ts";
import { type EngineError, makeTranslator } from "./events.ts";
import { makeStepWatch } from "./steps.ts";

export interface EventFollower {
	readonly onEvent: (event: EngineEvent) => void;
	/** Aborted with the caller's signal, and when the caller could not take an event. */
	readonly signal: AbortSignal;
	/** What went wrong so far. */
	readonly errors: readonly EngineError[];
	/** Fulfils when the caller has taken every event. Throws what the caller threw. */
	settle(): Promise<Changes>;
}

/** Translates the events of one run and passes them on. */
export function followEvents(
	hooks: EngineHooks,
	redact: (text: string) => string,
): EventFollower {
	const translate = makeTranslator(redact);
	const watchStep = hooks.onStep && makeStepWatch(hooks.onStep);
	const counts = { ...noChanges };
	const errors: EngineError[] = [];
	const broken = new AbortController();
	let tail = Promise.resolve();
	let refusal: { readonly reason: unknown } | undefined;

	return {
		onEvent(engineEvent) {
			watchStep?.(engineEvent);
			const { event, change, error } = translate(engineEvent);
			if (change !== undefined) counts[change]++;
			if (error !== undefined) errors.push(error);
			if (event === undefined) return;
			tail = tail.then(async () => {
				if (refusal !== undefined) return;
				try {
					await hooks.onEvent(event);
				} catch (reason) {
					// Whoever cannot record what happens must not let more happen.
					refusal = { reason };
					broken.abort();
				}
			});
		},
		signal: AbortSignal.any([hooks.signal, broken.signal]),
		errors,
		async settle() {
			await tail;
			if (refusal !== undefined) throw refusal.reason;
			return counts;
		},
	};
}
