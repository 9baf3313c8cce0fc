// Tells one webhook the log of one environment: event after event, each not before the one before is taken or given up.
//
// An event that was sent and a row that says so are two things: a process that dies between them leaves the lane where it
// was, and the next owner sends the event again, under the same id. So each event is told at least once.
import { presentCloudEvent } from "../domain/cloud-event.ts";
import type { Event } from "../domain/event.ts";
import { type Attempt, decideConsequence, isTaken } from "../domain/webhook.ts";
import type { Log } from "../log.ts";
import { countWebhookAttempt } from "../metrics.ts";
import type { SealKey } from "../seal.ts";
import { type Db, transact } from "../store/db.ts";
import {
	recordDelivered,
	recordDisabled,
	recordRetry,
} from "../store/deliveries.ts";
import {
	type ClaimedLane,
	closeLane,
	findNextInLane,
	type NextInLane,
	releaseLane,
} from "../store/webhook-lanes.ts";
import { addressLetter } from "./letter.ts";
import type { Poster } from "./post.ts";

export interface LaneContext {
	readonly db: Db;
	readonly sealKey: SealKey;
	readonly poster: Poster;
	readonly log: Log;
}

/** When the owner begins nothing new, and when he lets go of what is under way. */
export interface LaneSignals {
	readonly rest: AbortSignal;
	readonly stop: AbortSignal;
}

/** Until there is nothing left to tell, an event is not taken, or the owner's time is over. */
export async function runLane(
	context: LaneContext,
	claimed: ClaimedLane,
	signals: LaneSignals,
): Promise<void> {
	const { db } = context;
	let lane = claimed;
	while (!signals.rest.aborted) {
		const next = await findNextInLane(db, lane);
		if (next?.event === undefined) {
			const at = lane;
			if (await transact(db, (trx) => closeLane(trx, at))) return;
			continue;
		}
		const { event } = next;
		const attempt = await send(context, lane, { ...next, event }, signals.stop);
		if (attempt === "stopped") break;
		const settlement = { lane, event, attempt };
		countWebhookAttempt(isTaken(attempt) ? "delivered" : "failed");
		if (!isTaken(attempt)) return settleFailure(context, settlement, next);
		if (!(await recordDelivered(db, settlement))) return;
		lane = { ...lane, settled: event.id };
	}
	await releaseLane(db, lane);
}

async function send(
	{ sealKey, poster }: LaneContext,
	{ webhook }: ClaimedLane,
	next: NextInLane & { readonly event: Event },
	stop: AbortSignal,
): Promise<Attempt | "stopped"> {
	const event = presentCloudEvent(next.event, next);
	const letter = addressLetter(sealKey, { webhook, event, to: next });
	try {
		return await poster.post(letter, stop);
	} catch (error) {
		if (stop.aborted) return "stopped";
		throw error;
	}
}

async function settleFailure(
	{ db, log }: LaneContext,
	settlement: Parameters<typeof recordRetry>[1],
	before: NextInLane,
): Promise<void> {
	const consequence = decideConsequence(settlement.attempt, {
		attempts: before.attempts + 1,
		failingForSeconds: before.failingForSeconds,
		chance: Math.random(),
	});
	if (consequence.kind === "retry")
		return recordRetry(db, settlement, consequence.afterSeconds);
	const { reason } = consequence;
	const wasActive = await transact(db, (trx) =>
		recordDisabled(trx, settlement, reason),
	);
	const { webhook } = settlement.lane;
	if (wasActive) log.warn({ webhook, reason }, "a webhook was disabled");
}
