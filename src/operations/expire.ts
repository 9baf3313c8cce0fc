// Warns of the end of environments, and orders it: when their time is over, and when their create did not succeed and
// nobody has cared since. Any number may run at once; each row is taken by one of them (skip locked), in a transaction of
// its own, which also writes when that row is due next.
import type { Environment } from "../domain/environment.ts";
import type { EventData } from "../domain/event.ts";
import { againSeconds, decideNextNotice } from "../domain/expiry.ts";
import type { EnvironmentId } from "../domain/ids.ts";
import type { Operation } from "../domain/operation.ts";
import { Failure } from "../failure.ts";
import type { Log } from "../log.ts";
import type { Db } from "../store/db.ts";
import { loadEnvironment } from "../store/environments.ts";
import { appendEvents } from "../store/events.ts";
import {
	type DueExpiry,
	loadSurroundings,
	planAnotherLook,
	planNotice,
	putOffNotice,
	takeDueExpiry,
	takeUncreated,
} from "../store/expiries.ts";
import { destroyLocked } from "./destroy.ts";
import { changeLocked } from "./power.ts";
import { isUnneeded, nudge, type VerbContext } from "./request.ts";

const batch = 200;
const actor = { name: "expiry" };

export interface ExpireContext extends VerbContext {
	readonly log: Log;
}

/** One pass. Returns how many environments it dealt with. */
export async function expire(context: ExpireContext): Promise<number> {
	let count = 0;
	for (const dealWithNext of [noticeNext, cleanUpNext])
		for (let index = 0; index < batch; index++) {
			const outcome = await dealWithNext(context);
			if (outcome === undefined) break;
			if (outcome !== "told") nudge(context, outcome);
			count++;
		}
	return count;
}

/** Undefined: nobody is due. */
type Outcome = Operation | "told" | undefined;

async function noticeNext(context: ExpireContext): Promise<Outcome> {
	let taken: DueExpiry | undefined;
	try {
		return await context.db.transaction().execute(async (trx) => {
			taken = await takeDueExpiry(trx);
			if (taken === undefined) return undefined;
			return taken.leftMs > 0
				? await warn(trx, taken)
				: await end({ ...context, db: trx }, taken);
		});
	} catch (err) {
		if (taken === undefined) throw err;
		// One that goes wrong must not keep the others alive.
		context.log.error({ err, environment: taken.id }, "an expiry went wrong");
		await putOffNotice(context.db, taken.id, againSeconds.refused);
		return "told";
	}
}

async function warn(trx: Db, due: DueExpiry): Promise<"told"> {
	const { id, expiresAt, onExpiry } = due;
	const leftMs = Math.ceil(due.leftMs);
	await appendEvents(trx, { environment: id, operation: null }, [
		{
			type: "environment.expiring",
			data: { expiresAt: expiresAt.toISOString(), leftMs, onExpiry },
		},
	]);
	await planNotice(trx, id, decideNextNotice(due.leftMs / 1_000));
	return "told";
}

async function end(context: VerbContext, due: DueExpiry): Promise<Outcome> {
	const { id, onExpiry, isTold } = due;
	if (!isTold)
		await tellEnd(context.db, id, {
			expiresAt: due.expiresAt.toISOString(),
			reason: "expired",
			kind: onExpiry,
		});
	const ordered = await (onExpiry === "destroy"
		? orderDestroy(context, id)
		: orderHibernate(context, id, isTold));
	await planAnotherLook(
		context.db,
		id,
		ordered === "refused" ? againSeconds.refused : againSeconds.ordered,
	);
	return ordered === "refused" || ordered === undefined ? "told" : ordered;
}

/** What is never asked of a person is not done without a last backup, where one can be made and outlives the environment. */
async function orderDestroy(
	context: VerbContext,
	id: EnvironmentId,
): Promise<Operation> {
	const environment = await loadEnvironment(context.db, id);
	const { hasCloud } = await loadSurroundings(context.db, id);
	const keepsBackups = hasCloud && environment.revision !== null;
	return destroyLocked(context, actor, {
		id,
		keepsBackups,
		options: {
			reason: "expired",
			backup: keepsBackups && hasRunningData(environment) ? "required" : "skip",
		},
	});
}

/** Where the databases do not run, or nobody knows whether they do, the backups that are there are what can be kept. */
const hasRunningData = ({ lifecycle }: Environment): boolean =>
	lifecycle !== "hibernated" &&
	lifecycle !== "hibernating" &&
	lifecycle !== "failed";

/** What is refused was refused before anything was written. */
async function orderHibernate(
	context: VerbContext,
	id: EnvironmentId,
	isTold: boolean,
): Promise<Operation | "refused" | undefined> {
	try {
		const answer = await changeLocked(context, actor, {
			environment: { id },
			kind: "hibernate",
			options: { reason: "expired" },
		});
		return isUnneeded(answer) ? undefined : answer;
	} catch (error) {
		if (!(error instanceof Failure) || error.code !== "conflict") throw error;
		if (!isTold)
			await appendEvents(context.db, { environment: id, operation: null }, [
				{ type: "expiry.postponed", data: { reason: error.message } },
			]);
		return "refused";
	}
}

async function cleanUpNext(context: ExpireContext): Promise<Outcome> {
	return context.db.transaction().execute(async (trx) => {
		const due = await takeUncreated(trx);
		if (due === undefined) return undefined;
		await tellEnd(trx, due.id, {
			expiresAt: due.cleanUpAt.toISOString(),
			reason: "create_failed",
			kind: "destroy",
		});
		return destroyLocked({ ...context, db: trx }, actor, {
			id: due.id,
			options: { reason: "create_failed", backup: "skip" },
		});
	});
}

const tellEnd = (
	trx: Db,
	environment: EnvironmentId,
	data: EventData["environment.expired"],
): Promise<void> =>
	appendEvents(trx, { environment, operation: null }, [
		{ type: "environment.expired", data },
	]);
