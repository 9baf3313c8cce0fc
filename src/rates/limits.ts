// The limits of an installation: of each token, of each tenant, and of what an address may try with credentials that
// nobody knows.
import { type Allowance, makeAllowance } from "./allowance.ts";
import type { SharedCounts } from "./counts.ts";

/** Requests per minute; 0: no limit. */
export interface RateSettings {
	readonly token: number;
	readonly tenant: number;
	/** Credentials that are refused. */
	readonly failures: number;
}

export const defaultRates: RateSettings = {
	token: 600,
	tenant: 3_000,
	failures: 20,
};

export interface RateLimits {
	readonly token: Allowance;
	readonly tenant: Allowance;
	readonly failures: Allowance;
}

// A store that is away is told of once in a while, and not by each request.
const tellEveryMs = 10_000;

export function makeRateLimits(options: {
	readonly counts: Pick<SharedCounts, "add">;
	readonly settings: RateSettings;
	readonly log: { warn(fields: object, message: string): void };
}): RateLimits {
	const { counts, settings, log } = options;
	let toldAt = Number.NEGATIVE_INFINITY;
	const onAway = (err: unknown) => {
		if (performance.now() - toldAt < tellEveryMs) return;
		toldAt = performance.now();
		log.warn({ err }, "requests cannot be counted; they go on uncounted");
	};
	const make = (name: keyof RateSettings) =>
		makeAllowance({ name, limit: settings[name], counts, onAway });
	return {
		token: make("token"),
		tenant: make("tenant"),
		failures: make("failures"),
	};
}
