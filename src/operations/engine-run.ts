// What is done around each run of the engine, whatever it is for.
import type { EngineOutcome } from "../domain/engine.ts";
import { addChanges } from "../domain/operation.ts";
import type { Work } from "./work.ts";

/** Waits for a run and leaves its stack free. What it changed is added to what the operation has changed so far. */
export async function settleRun(
	work: Work,
	run: Promise<EngineOutcome>,
): Promise<EngineOutcome> {
	const { tools, operation, findings, lease } = work;
	const outcome = await run.finally(async () => {
		// Nothing of the run is left by now. If it could not say so itself, the stack would stay taken for the
		// five minutes that the engine's own lease lasts.
		const ended = await tools.engineState.end(lease);
		if (ended > 0) findings.wasCutOff = true;
	});
	const before = findings.changes ?? operation.changes;
	findings.changes = addChanges(before, outcome.changes);
	return outcome;
}
