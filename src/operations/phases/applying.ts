// One run of the engine. Running it again after an interruption does no harm: every object has a name that
// only this environment uses, and the engine's state knows what the run before has done.
import { resolvePending } from "../pending.ts";
import { take, type Work } from "../work.ts";

export async function applyProgram(work: Work): Promise<void> {
	const { tools, operation, signal, record } = work;
	const run = take(work, "run");
	const hooks = { signal, onEvent: record };
	await resolvePending(work);
	try {
		const outcome =
			operation.kind === "destroy"
				? await tools.engine.destroy(run, hooks)
				: await tools.engine.up(run, hooks);
		work.findings.changes = outcome.changes;
		if (outcome.outputs !== null) work.findings.outputs = outcome.outputs;
	} finally {
		// Nothing of the run is left by now. If it could not say so itself, the stack would stay taken for the
		// five minutes that the engine's own lease lasts.
		const ended = await tools.engineState.end(work.lease);
		if (ended > 0) work.findings.wasCutOff = true;
	}
}
