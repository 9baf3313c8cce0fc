// The end of an attempt that succeeded: operation, environment and last events in one transaction.
import { backupPlaces } from "../../domain/backup.ts";
import { lifecycleAfter, movesLifecycle } from "../../domain/environment.ts";
import type { NewEvent } from "../../domain/event.ts";
import { noChanges, type PhaseRecord } from "../../domain/operation.ts";
import { keepBackups, markGone } from "../../store/backups.ts";
import type { Db } from "../../store/db.ts";
import {
	lockEnvironment,
	updateEnvironment,
} from "../../store/environments.ts";
import { appendEvents } from "../../store/events.ts";
import { closeOperation, recordProgress } from "../../store/leases.ts";
import { completePreview } from "../../store/previews.ts";
import { deleteSecrets } from "../../store/secrets.ts";
import { decideLifecycle } from "../lifecycle.ts";
import { take, type Work } from "../work.ts";

/** Runs in the owner's transaction. `last` are the events that end the phases. */
export async function finish(
	trx: Db,
	work: Work,
	last: {
		readonly events: readonly NewEvent[];
		readonly phases: readonly PhaseRecord[];
	},
): Promise<void> {
	const { operation, lease, findings } = work;
	const changes = findings.changes ?? noChanges;
	const moved = await move(trx, work);
	await recordProgress(trx, lease, {
		phase: "finishing",
		phases: last.phases,
		changes,
	});
	await closeOperation(trx, lease, { state: "succeeded", error: null });
	await appendEvents(
		trx,
		{ environment: operation.environment, operation: operation.id },
		[
			...last.events,
			...moved,
			{
				type: "operation.succeeded",
				data: { kind: operation.kind, changes },
			},
		],
	);
}

/** What the end makes of the environment, and the events that say so. */
async function move(trx: Db, work: Work): Promise<readonly NewEvent[]> {
	const { kind } = work.operation;
	if (kind === "preview") return [await keepPreview(trx, work)];
	if (!movesLifecycle(kind)) return [];
	return [await (kind === "destroy" ? letGo(trx, work) : settle(trx, work))];
}

async function settle(trx: Db, work: Work): Promise<NewEvent> {
	const { operation, findings } = work;
	const environment = await lockEnvironment(trx, operation.environment);
	const revision = operation.revisionTo ?? environment.desiredRevision;
	const isAsleep = operation.kind === "hibernate";
	await updateEnvironment(trx, environment.id, {
		lifecycle: await decideLifecycle(
			trx,
			environment,
			lifecycleAfter(operation.kind, true),
		),
		health: isAsleep ? "unknown" : "healthy",
		revision,
		endpoints: take(work, "outputs").endpoints,
		// What sleeps was not asked; it is what it was.
		...(isAsleep ? {} : { versions: findings.versions ?? {} }),
		warnings: take(work, "outputs").warnings ?? [],
	});
	const { parameters, target } = take(work, "run").input;
	await keepBackups(trx, environment.id, {
		retentionDays: parameters.backups.retentionDays,
		place: target.aws === null ? "claim" : "bucket",
	});
	return {
		type: isAsleep ? "environment.hibernated" : "environment.ready",
		data: { revision },
	};
}

async function letGo(trx: Db, { operation }: Work): Promise<NewEvent> {
	await updateEnvironment(trx, operation.environment, {
		lifecycle: "destroyed",
		health: "unknown",
		revision: null,
		endpoints: null,
		versions: {},
		warnings: [],
	});
	await deleteSecrets(trx, operation.environment);
	await markGone(
		trx,
		operation.environment,
		operation.keepsBackups ? ["claim"] : backupPlaces,
	);
	return { type: "environment.destroyed", data: {} };
}

async function keepPreview(trx: Db, work: Work): Promise<NewEvent> {
	const { id, result } = take(work, "preview");
	await completePreview(trx, id, result);
	return {
		type: "preview.completed",
		data: { preview: id, risk: result.risk },
	};
}
