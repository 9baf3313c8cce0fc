// Asks all that the service needs at once, each for a limited time.
import { Failure } from "../failure.ts";
import type { ReadinessCheck } from "../operations/readiness.ts";
import type { DoorLog } from "./refuse.ts";

export interface CheckResult {
	readonly name: string;
	readonly status: "passed" | "failed";
	readonly message: string;
	readonly isRequired: boolean;
}

/** Whoever asks again sooner gets the same answer, so that questions of strangers are no load. */
const keptForMs = 250;

/** Returns what asks. However many ask at a time, each check is under way once. */
export function makeReadiness(options: {
	readonly checks: readonly ReadinessCheck[];
	readonly log: DoorLog;
	readonly withinMs: number;
}): () => Promise<readonly CheckResult[]> {
	const { checks, log, withinMs } = options;
	const looks = checks.map((check) => makeLook(check, log));
	let kept: { at: number; results: Promise<CheckResult[]> } | undefined;
	return () => {
		const now = performance.now();
		if (kept === undefined || now - kept.at > keptForMs) {
			const results = Promise.all(looks.map((look) => look(withinMs)));
			kept = { at: now, results };
		}
		return kept.results;
	};
}

/** One that does not come to an end is not begun again beside: it is waited for anew. */
function makeLook(
	{ name, isRequired, look }: ReadinessCheck,
	log: DoorLog,
): (withinMs: number) => Promise<CheckResult> {
	let underWay: Promise<string | undefined> | undefined;
	let isFailing = false;
	/** Fulfils with what is missing. */
	const ask = async (): Promise<string | undefined> => {
		try {
			await look();
			isFailing = false;
			return undefined;
		} catch (err) {
			// Said once for each bad time.
			if (!isFailing)
				log.warn({ err, check: name }, "something needed is away");
			isFailing = true;
			return err instanceof Failure
				? err.message
				: "It failed; the log says why.";
		} finally {
			underWay = undefined;
		}
	};
	return async (withinMs) => {
		underWay ??= ask();
		const missing = await endWithin(withinMs, underWay);
		const status = missing === undefined ? "passed" : "failed";
		return { name, isRequired, status, message: missing ?? "It is there." };
	};
}

function endWithin(
	ms: number,
	work: Promise<string | undefined>,
): Promise<string | undefined> {
	return new Promise((fulfil) => {
		const timer = setTimeout(fulfil, ms, "It did not answer in time.");
		work.then(fulfil).finally(() => clearTimeout(timer));
	});
}
