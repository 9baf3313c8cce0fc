// How many streams a caller may have open at this process: each takes memory for as long as he likes.
import type { Response } from "express";
import type { CallerId } from "../domain/ids.ts";
import { Failure } from "../failure.ts";

export interface StreamLimit {
	/** Counts one more of the caller's, until the answer is closed. Throws `rate_limited` where there are too many. */
	admit(caller: CallerId, response: Response): void;
}

const retryAfterSeconds = "5";

export function makeStreamLimit(most: number): StreamLimit {
	const open = new Map<CallerId, number>();
	const add = (caller: CallerId, change: 1 | -1): void => {
		const count = (open.get(caller) ?? 0) + change;
		if (count === 0) open.delete(caller);
		else open.set(caller, count);
	};
	return {
		admit(caller, response) {
			if ((open.get(caller) ?? 0) >= most) {
				response.set("Retry-After", retryAfterSeconds);
				throw refuse(most);
			}
			// Who has left already closes nothing any more.
			if (response.destroyed) return;
			add(caller, 1);
			response.once("close", () => add(caller, -1));
		},
	};
}

const refuse = (most: number): Failure =>
	new Failure({
		code: "rate_limited",
		message: `This token has ${most} streams open, and may have no more.`,
		untouched: "Nothing was looked at or changed.",
		advice:
			"Close streams that nobody reads. GET /v1/events tells of all environments of the tenant in one stream.",
		retryable: true,
	});
