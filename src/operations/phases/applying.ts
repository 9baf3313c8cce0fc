// One run of the engine. Running it again after an interruption does no harm: every object has a name that
// only this environment uses, and the engine's state knows what the run before has done.
import type { EngineOutcome } from "../../domain/engine.ts";
import { findBackupPlace } from "../backup-place.ts";
import { settleRun } from "../engine-run.ts";
import { resolvePending } from "../pending.ts";
import { repair } from "../repair.ts";
import { startRollOut } from "../roll-out.ts";
import { beginRotation } from "../secrets.ts";
import { take, type Work } from "../work.ts";

export async function applyProgram(work: Work): Promise<void> {
	await resolvePending(work);
	if (work.operation.kind === "rotate") await beginRotation(work);
	const outcome = await settleRun(work, runEngine(work));
	if (outcome.outputs !== null) work.findings.outputs = outcome.outputs;
}

async function runEngine(work: Work): Promise<EngineOutcome> {
	const { tools, operation, signal, record, onStep } = work;
	const run = take(work, "run");
	const hooks = { signal, onEvent: record, onStep };
	switch (operation.kind) {
		case "destroy":
			if (await mustMarkKept(work)) await tools.engine.up(run, hooks);
			return tools.engine.destroy(run, hooks);
		case "refresh":
			return repair(work, (run) => tools.engine.up(run, hooks));
		case "preview":
			throw new Error("a preview applies nothing");
		case "create":
			// Nothing runs yet that one stage could disturb for another: everything at once.
			return tools.engine.up(run, hooks);
		case "backup":
			throw new Error("a backup applies nothing");
		case "hibernate":
			// What writes is at rest already; the stores need nobody to stop.
			return tools.engine.up(run, hooks);
		case "rotate":
			// Whoever shares a secret gets the new value at the same time as far as that is possible; but a pod that starts
			// before its Secret is changed would have the old one for good.
			return tools.engine.up(run, { ...hooks, onStage: async () => {} });
		case "wake":
		case "upgrade":
		case "rollback":
		case "restore": {
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
const mustMarkKept = async (work: Work): Promise<boolean> =>
	work.operation.keepsBackups && (await findBackupPlace(work)) === "bucket";
