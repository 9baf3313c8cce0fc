// Puts right what a refresh found. What was added by others is taken off first, since an apply leaves what is not its own;
// then the engine looks what is there, makes what is gone and sets back what was changed; then somebody looks again.
import { driftLimit } from "../domain/drift.ts";
import type { EngineOutcome, EngineRun } from "../domain/engine.ts";
import { saveDrift } from "../store/health.ts";
import { findDrift } from "./phases/refreshing.ts";
import { take, type Work } from "./work.ts";

/** `up` runs the engine. What is still not as it should be after it is told, and is no failure: waiting and verifying follow. */
export async function repair(
	work: Work,
	up: (run: EngineRun) => Promise<EngineOutcome>,
): Promise<EngineOutcome> {
	const { tools, operation, signal, record } = work;
	const items = take(work, "drift");
	const run = take(work, "run");
	const declared = await tools.engineState.readDeclared(run);
	await take(work, "cluster").removeAdditions(declared, items, { signal });
	const outcome = await up({ ...run, refresh: true });
	const left = (await findDrift(work)).slice(0, driftLimit);
	await saveDrift(tools.db, operation, left);
	record({
		type: "drift.repaired",
		data: { repaired: Math.max(0, items.length - left.length), left },
	});
	return outcome;
}
