// Asks the engine what it would do. Nothing is changed, so it may be asked again.
import { describePlan } from "../../domain/preview-result.ts";
import { loadEnvironmentTarget } from "../../store/environments.ts";
import { findStateSerial, recordStateVersion } from "../../store/previews.ts";
import { loadTarget } from "../../store/targets.ts";
import { loadPlanned } from "../preview.ts";
import { take, type Work } from "../work.ts";

export async function previewProgram(work: Work): Promise<void> {
	const { tools, operation, signal, record } = work;
	const { preview } = await loadPlanned(tools, operation);
	// Before the engine looks: if the state moves in between, the preview counts as one of the older state, which is
	// refused. The other way round it could be taken for one of the newer.
	const { version } = await findStateSerial(tools.db, preview.environment);
	await recordStateVersion(tools.db, preview.id, version);
	const verb = preview.verb === "destroy" ? "previewDestroy" : "preview";
	const outcome = await tools.engine[verb](take(work, "run"), {
		signal,
		onEvent: record,
	}).finally(() => tools.engineState.end(work.lease));
	const target = await loadTarget(
		tools.db,
		await loadEnvironmentTarget(tools.db, preview.environment),
	);
	work.findings.preview = {
		id: preview.id,
		result: describePlan(outcome.plan ?? [], {
			changes: outcome.changes,
			facts: preview.facts,
			prices: target.settings.prices,
		}),
	};
}
