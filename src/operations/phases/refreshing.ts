// Looks what differs from what was last applied. The engine is not needed for it: its state says what was declared.
import { driftLimit, mayRepair, presentItem } from "../../domain/drift.ts";
import { Failure } from "../../failure.ts";
import { saveDrift } from "../../store/health.ts";
import { take, type Work } from "../work.ts";

/** Throws `conflict` when a repair would touch what is dangerous and nobody said that he knows. */
export async function refresh(work: Work): Promise<void> {
	const { tools, operation, record } = work;
	const items = await findDrift(work);
	work.findings.drift = items;
	await saveDrift(tools.db, operation, items.slice(0, driftLimit));
	if (items.length > 0) {
		record({
			type: "drift.found",
			data: {
				items: items.slice(0, driftLimit),
				isCut: items.length > driftLimit,
			},
		});
	}
	const { repair, acknowledge } = operation.options;
	const untouchable = items.filter(
		(item) => !mayRepair(item, acknowledge === true),
	);
	if (repair !== true || untouchable.length === 0) return;
	throw new Failure({
		code: "conflict",
		message: `Putting this right may lose data: ${untouchable.slice(0, 5).map(presentItem).join(", ")}${untouchable.length > 5 ? ` and ${untouchable.length - 5} more` : ""}.`,
		untouched: "Nothing was repaired, the harmless differences included.",
		advice:
			"Look at the environment's `drift`. Put the dangerous ones right by hand, or order the repair with `acknowledge: true`, which sets all of them back.",
	});
}

/** What differs now, most dangerous first. */
export async function findDrift(work: Work) {
	const { tools, signal } = work;
	const declared = await tools.engineState.readDeclared(take(work, "run"));
	return take(work, "cluster").findDrift(declared, { signal });
}
