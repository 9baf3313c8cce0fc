// One run of the engine. Running it again after an interruption does no harm: every object has a name that
// only this environment uses, and the engine's state knows what the run before has done.
import { bucketType } from "../../domain/aws.ts";
import type { EngineOutcome } from "../../domain/engine.ts";
import { storageName } from "../../domain/names.ts";
import { addChanges } from "../../domain/operation.ts";
import { resolvePending } from "../pending.ts";
import { startRollOut } from "../roll-out.ts";
import { take, type Work } from "../work.ts";

export async function applyProgram(work: Work): Promise<void> {
	await resolvePending(work);
	const outcome = await runEngine(work).finally(async () => {
		// Nothing of the run is left by now. If it could not say so itself, the stack would stay taken for the
		// five minutes that the engine's own lease lasts.
		const ended = await work.tools.engineState.end(work.lease);
		if (ended > 0) work.findings.wasCutOff = true;
	});
	work.findings.changes = addChanges(work.operation.changes, outcome.changes);
	if (outcome.outputs !== null) work.findings.outputs = outcome.outputs;
}

async function runEngine(work: Work): Promise<EngineOutcome> {
	const { tools, operation, signal, record } = work;
	const run = take(work, "run");
	const hooks = { signal, onEvent: record };
	switch (operation.kind) {
		case "destroy":
			if (await mustMarkKept(work)) await tools.engine.up(run, hooks);
			return tools.engine.destroy(run, hooks);
		case "preview":
			throw new Error("a preview applies nothing");
		case "create":
			// Nothing runs yet that one stage could disturb for another: everything at once.
			return tools.engine.up(run, hooks);
		case "upgrade": {
			const { onStage, explain, close } = startRollOut(work);
			try {
				return await tools.engine.up(run, { ...hooks, onStage });
			} catch (error) {
				throw explain(error);
			} finally {
				close();
			}
		}
	}
}

/** What a destroy leaves is marked in the engine's state by an update before it. Where there is no such bucket it would make one. */
async function mustMarkKept({
	tools,
	findings,
	operation,
}: Work): Promise<boolean> {
	const { run } = findings;
	if (!operation.keepsBackups || !run?.input.target.aws) return false;
	const bucket = storageName(operation.environment, "backups");
	const { resources } = await tools.engineState.read(run);
	return resources.some(({ type, id }) => type === bucketType && id === bucket);
}
