// Sends what somebody asked for: a ping, or an event once more. One attempt, whatever comes of it.
import { presentCloudEvent, presentPing } from "../domain/cloud-event.ts";
import { isTaken } from "../domain/webhook.ts";
import { countWebhookAttempt } from "../metrics.ts";
import {
	type AskedDelivery,
	type ClaimedDelivery,
	findAsked,
	recordAsked,
} from "../store/delivery-log.ts";
import type { LaneContext } from "./lane.ts";
import { addressLetter } from "./letter.ts";

/** What was claimed and cannot be sent before `stop` aborts comes back when its lease is over. */
export async function sendAsked(
	{ db, sealKey, poster }: Pick<LaneContext, "db" | "sealKey" | "poster">,
	claimed: ClaimedDelivery,
	stop: AbortSignal,
): Promise<void> {
	const asked = await findAsked(db, claimed);
	if (asked === undefined) return;
	const letter = addressLetter(sealKey, {
		webhook: claimed.webhook,
		event: present(claimed, asked),
		to: asked,
	});
	const attempt = await poster.post(letter, stop).catch((error) => {
		if (!stop.aborted) throw error;
		return undefined;
	});
	if (attempt === undefined) return;
	const state = isTaken(attempt) ? "delivered" : "failed";
	countWebhookAttempt(state);
	await recordAsked(db, claimed, { attempt, state });
}

const present = ({ id, webhook }: ClaimedDelivery, asked: AskedDelivery) => {
	const { event, tenant, environmentName, createdAt: at } = asked;
	return event === null || environmentName === null
		? presentPing({ id, webhook, tenant, at })
		: presentCloudEvent(event, { tenant, environmentName });
};
