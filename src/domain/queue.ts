// What an order that waits can be told: what is before it, why it does not begin, and when it may.
import type { OperationId } from "./ids.ts";

/** How far a place in the queue is counted: a count takes as long as the queue is, and every order asks for its own. */
export const farthestPlace = 200;

/** A worker says so often, in milliseconds, that it lives. */
export const workerReportMs = 5_000;
/** One that said nothing for so long is not counted on. */
export const workerLostMs = 20_000;

/** What the database knows of a waiting operation's surroundings. */
export interface QueueFacts {
	/** How many wait that would be claimed before it if nothing ended and nothing new came; at most `farthestPlace`. */
	readonly ahead: number;
	/** The limit that its tenant or its target has reached. */
	readonly tenantLimit: number | null;
	readonly targetLimit: number | null;
	/** How many operations the workers that live can work on at a time. */
	readonly slots: number;
	/** On how many some worker works. */
	readonly busy: number;
	/** All workers wait for memory. */
	readonly isShortOfMemory: boolean;
	/** How long the last operations of its kind took, as their median; null: there were none. */
	readonly durationMs: number | null;
}

/** What must end first, of the operations of the same environment. */
export interface QueueLine {
	readonly length: number;
	readonly blocker: OperationId;
	/** How long these will go on, by how long their kinds took of late; null: not known. */
	readonly leftMs: number | null;
}

export interface QueuePlace {
	/**
	 * How many operations are before it: of its own environment, or of all if none of its own is. 0: it is next;
	 * `farthestPlace`: that many or more.
	 */
	readonly position: number;
	/** The operation of the same environment that must end first. */
	readonly waitingFor: OperationId | null;
	/** Why it does not begin now, as a sentence; null: nothing keeps it. */
	readonly reason: string | null;
	/** null: nothing is known to reckon with. */
	readonly expectedStartAt: string | null;
}

/** Of an operation that does not wait. */
export const notQueued: QueuePlace = {
	position: 0,
	waitingFor: null,
	reason: null,
	expectedStartAt: null,
};

export function decidePlace(
	facts: QueueFacts,
	line: QueueLine | undefined,
	now: Date,
): QueuePlace {
	const at = (ms: number | null) =>
		ms === null || facts.slots === 0
			? null
			: new Date(now.getTime() + ms).toISOString();
	if (line !== undefined) {
		return {
			position: line.length,
			waitingFor: line.blocker,
			reason: `${line.blocker} of the same environment must end first.`,
			expectedStartAt: at(line.leftMs),
		};
	}
	return {
		position: facts.ahead,
		waitingFor: null,
		reason: explainWait(facts),
		expectedStartAt: at(decideWaitMs(facts)),
	};
}

function explainWait(facts: QueueFacts): string | null {
	const { tenantLimit, targetLimit, slots, busy } = facts;
	if (tenantLimit !== null)
		return `Its tenant has as many operations under way as it may have: ${tenantLimit}.`;
	if (targetLimit !== null)
		return `Its target has as many operations under way as it may have: ${targetLimit}.`;
	if (slots === 0) return "No worker is running.";
	if (facts.isShortOfMemory)
		return "The machines of the workers have no memory free for another.";
	if (busy >= slots) return `The workers are busy with ${busy} operations.`;
	return facts.ahead === 0 ? null : "Others are before it.";
}

/** Places come free evenly, as operations of the same length do that began one after the other. */
function decideWaitMs(facts: QueueFacts): number | null {
	const { ahead, slots, busy, durationMs } = facts;
	const isLimited = facts.tenantLimit !== null || facts.targetLimit !== null;
	const free = facts.isShortOfMemory ? 0 : Math.max(0, slots - busy);
	if (!isLimited && ahead < free) return 0;
	if (durationMs === null || ahead >= farthestPlace) return null;
	return (Math.max(1, ahead + 1 - free) / slots) * durationMs;
}
