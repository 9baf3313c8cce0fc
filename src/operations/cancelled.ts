// The end of an operation that somebody cancelled, written by its owner: nothing of the engine runs any more, what it
// did is in its state, and what exists was looked for.
import type { NewEvent } from "../domain/event.ts";
import { runPlace } from "../domain/names.ts";
import {
	type OperationKind,
	type PhaseRecord,
	takesTurn,
} from "../domain/operation.ts";
import type { Existing } from "../domain/stock.ts";
import { Failure, recordFailure } from "../failure.ts";
import type { Log } from "../log.ts";
import type { Db } from "../store/db.ts";
import { appendEvents } from "../store/events.ts";
import { closeOperation, recordProgress } from "../store/leases.ts";
import { findOperation } from "../store/operations.ts";
import type { Ownership } from "./claim.ts";
import { leaveUnsuccessful } from "./lifecycle.ts";
import { writeAsOwner } from "./record.ts";
import { takeStock } from "./stock.ts";
import type { Findings, Tools, Work } from "./work.ts";

export interface Ending {
	readonly tools: Tools;
	readonly ownership: Ownership;
	readonly log: Log;
	readonly phases: readonly PhaseRecord[];
	readonly findings: Findings;
}

/** Brings the engine's part to rest, looks what there is, and writes the end. Throws `lease_lost`. */
export async function endCancelled(ending: Ending): Promise<void> {
	const { tools, ownership, findings } = ending;
	const { lease, operation } = ownership;
	// Of this attempt nothing is left. Of one whose worker died there may be, and what it began may be unended.
	tools.endLeftover(runPlace(operation));
	const wasCutOff = (await tools.engineState.end(lease)) > 0;
	const forced = wasCutOff || findings.wasCutOff === true;
	const exists = await lookAround(ending);
	await writeAsOwner(tools.db, ownership, { lost: ownership.lost }, (trx) =>
		writeEnd(trx, ending, { forced, exists }),
	);
}

/** What exists of the environment at the end of an attempt; null if that cannot be found out. */
export function lookAround({
	tools,
	ownership,
	findings,
	log,
}: Ending): Promise<readonly Existing[] | null> {
	const { operation, lease, lost } = ownership;
	// A preview made nothing, and what goes on beside it is another's.
	if (!takesTurn(operation.kind)) return Promise.resolve(null);
	const work: Work = {
		tools,
		operation,
		lease,
		signal: lost,
		record: () => {},
		write: (change) => writeAsOwner(tools.db, ownership, { lost }, change),
		findings,
	};
	return takeStock(work, log);
}

async function writeEnd(
	trx: Db,
	{ ownership: { operation, lease }, phases }: Ending,
	outcome: {
		readonly forced: boolean;
		readonly exists: readonly Existing[] | null;
	},
): Promise<void> {
	const { environment, id, kind } = operation;
	const asked = await findOperation(trx, id, undefined);
	const by = asked?.cancellation?.requestedBy ?? "";
	const cutPhases = cutOff(phases);
	const last = cutPhases.at(-1);
	if (last !== undefined) {
		await recordProgress(trx, lease, { phase: last.name, phases: cutPhases });
	}
	await closeOperation(trx, lease, {
		state: "cancelled",
		error: recordFailure(explain(kind, by, outcome.exists)),
		...outcome,
	});
	await leaveUnsuccessful(trx, operation);
	const event: NewEvent = {
		type: "operation.cancelled",
		data: { kind, by, ...outcome },
	};
	await appendEvents(trx, { environment, operation: id }, [event]);
}

function cutOff(phases: readonly PhaseRecord[]): PhaseRecord[] {
	const finishedAt = new Date().toISOString();
	return phases.map((phase) =>
		phase.state === "running"
			? { ...phase, state: "cancelled", finishedAt }
			: phase,
	);
}

function explain(
	kind: OperationKind,
	by: string,
	exists: readonly Existing[] | null,
): Failure {
	if (!takesTurn(kind)) {
		return new Failure({
			code: "cancelled",
			message: `The ${kind} was cancelled by ${by}.`,
			untouched: "Nothing was changed.",
			advice: "Order it again when it is wanted.",
		});
	}
	const count = exists?.reduce((sum, one) => sum + one.count, 0);
	const untouched =
		count === undefined
			? "What was done before stays done; what exists could not be found out."
			: count === 0
				? "Nothing of the environment exists."
				: `What was done before stays done: ${count} objects exist.`;
	return new Failure({
		code: "cancelled",
		message: `The ${kind} was cancelled by ${by}.`,
		untouched,
		advice:
			"Try it again with POST /v1/operations/{id}:retry, which goes on from there, or destroy the environment.",
	});
}
