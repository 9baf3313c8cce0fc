// What an operation that restores a backup loses: the data that were written since it was taken.
import { type Operation, restores } from "./operation.ts";

/** A window of time, in ISO 8601. */
export interface Window {
	readonly from: string;
	readonly to: string;
}

/**
 * When the data were written that are lost by it; null if none are. As long as nobody is kept from writing, it ends now;
 * it may seem longer than it is where more than one attempt was needed.
 */
export function findDataLoss(
	operation: Pick<
		Operation,
		"kind" | "options" | "phases" | "finishedAt" | "restore"
	>,
	now: Date,
): Window | null {
	const { options, phases, finishedAt, restore } = operation;
	const from = options.dataFrom;
	if (from === undefined || !restores(operation)) return null;
	if (finishedAt !== null && restore === null) return null;
	const quiesced = phases.find(({ name }) => name === "quiescing");
	return { from, to: quiesced?.startedAt ?? (finishedAt ?? now).toISOString() };
}
