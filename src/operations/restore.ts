// Orders that a backup be put in place of an environment's data: the next revision, with the content of the one that is
// there, and the operation that stops what writes, restores and starts everything again.
import type { KeptBackup } from "../domain/backup.ts";
import {
	type Environment,
	movingKinds,
	refusal,
} from "../domain/environment.ts";
import type { Operation } from "../domain/operation.ts";
import { knowsPower } from "../domain/power.ts";
import type { RestoreOrder } from "../domain/spec.ts";
import type { Actor } from "../domain/tenant.ts";
import { Failure } from "../failure.ts";
import { findBackup } from "../store/backups.ts";
import { type Db, transact } from "../store/db.ts";
import {
	loadEnvironment,
	loadEnvironmentTenant,
	lockEnvironment,
	updateEnvironment,
} from "../store/environments.ts";
import { findNextQueued } from "../store/operations.ts";
import { loadBegunRevision } from "../store/revisions.ts";
import { loadParameters, recordRevision } from "./parameters.ts";
import { nudge, request, type VerbContext } from "./request.ts";

const untouched = "Nothing was ordered.";

/**
 * Throws `conflict` when the state of the environment forbids it or the backup is another environment's, and
 * `invalid_request` when there is no such backup.
 */
export async function restoreEnvironment(
	context: VerbContext,
	actor: Actor,
	ordered: { readonly environment: Environment; readonly order: RestoreOrder },
): Promise<Operation> {
	const { order } = ordered;
	const operation = await transact(context.db, async (trx) => {
		const current = await lockEnvironment(trx, ordered.environment.id);
		const reason =
			refusal("restore", current) ?? (await refuseWaiting(trx, current));
		if (reason !== undefined) {
			throw refuse(reason, "Order it when that has ended.");
		}
		const backup = await findOwnBackup(trx, current, order.backup);
		const number = await repeatRevision({ ...context, db: trx }, current);
		const restore = await request(trx, {
			environment: current.id,
			kind: "restore",
			revisionFrom: current.revision,
			revisionTo: number,
			actor,
			options: {
				fromBackup: backup.id,
				dataFrom: backup.takenAt.toISOString(),
				backup: order.backupFirst,
				allowOtherVersion: order.allowOtherVersion,
			},
		});
		await updateEnvironment(trx, current.id, {
			lifecycle: "restoring",
			desiredRevision: number,
		});
		return restore;
	});
	nudge(context, operation);
	return operation;
}

/** What waits may be about to change what the backup has to fit. */
async function refuseWaiting(
	trx: Db,
	{ id }: Environment,
): Promise<string | undefined> {
	const next = await findNextQueued(trx, id, movingKinds);
	return next && `The operation ${next} waits to change it.`;
}

/** Backups lie where only their own environment reads: in its namespace, or in a bucket with a key of its own. */
async function findOwnBackup(
	trx: Db,
	{ id, name }: Environment,
	wanted: string,
): Promise<KeptBackup> {
	const tenant = await loadEnvironmentTenant(trx, id);
	const backup = await findBackup(trx, wanted, tenant);
	if (backup === undefined) {
		throw new Failure({
			code: "invalid_request",
			message: `/backup names no backup that is there: ${wanted}.`,
			untouched,
			advice: `GET /v1/environments/${id}/backups lists those that are.`,
			errors: [{ pointer: "/backup", message: "names no backup" }],
		});
	}
	if (backup.environment === id) return backup;
	const owner = await loadEnvironment(trx, backup.environment);
	throw refuse(
		`The backup ${wanted} is of the environment ${owner.name}, and ${name} cannot read it: backups lie in the namespace or in the bucket of their own environment.`,
		`Restore it into ${owner.name}.`,
	);
}

/** The next revision, with the content of what is there. Returns its number. Throws `conflict` where its program cannot rest. */
async function repeatRevision(
	context: VerbContext,
	{ id, blueprint, desiredRevision }: Environment,
): Promise<number> {
	const there = await loadBegunRevision(context.db, id);
	const { blueprintVersion, release, size } = there;
	if (!knowsPower(blueprintVersion)) {
		throw refuse(
			`It runs ${blueprint}@${blueprintVersion}, whose processes cannot be stopped while the databases run.`,
			'Upgrade it first, which brings it to the current version: POST /v1/environments/{id}:upgrade with {"parameters": {}} changes nothing else.',
		);
	}
	const number = desiredRevision + 1;
	await recordRevision(context, {
		environment: id,
		number,
		blueprintVersion,
		release,
		size,
		parameters: await loadParameters(context, id, there),
		basedOn: there.number,
	});
	return number;
}

const refuse = (message: string, advice: string): Failure =>
	new Failure({ code: "conflict", message, untouched, advice });
