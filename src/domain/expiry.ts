// How long an environment lives: what may be asked for, what a tenant is allowed, and when warnings are due.
import { z } from "zod";

const unitSeconds = {
	w: 7 * 86_400,
	d: 86_400,
	h: 3_600,
	m: 60,
	s: 1,
} as const;
type Unit = keyof typeof unitSeconds;

const longestSeconds = 3_650 * unitSeconds.d;

/** Whole seconds. Only for what `duration` has accepted. */
export function readDuration(text: string): number {
	return Number(text.slice(0, -1)) * unitSeconds[text.slice(-1) as Unit];
}

/** In the largest unit that fits without a rest. */
export function writeDuration(seconds: number): string {
	for (const [unit, length] of Object.entries(unitSeconds))
		if (seconds % length === 0) return `${seconds / length}${unit}`;
	return `${seconds}s`;
}

/** A whole number with its unit. A day is 24 hours, also where the clocks change. */
export const duration = z
	.string()
	.regex(/^[1-9]\d{0,8}[smhdw]$/, {
		error: "must be a whole number with its unit: 90s, 30m, 2h, 3d or 1w",
		abort: true,
	})
	.refine(
		(text) => readDuration(text) <= longestSeconds,
		"must be at most 3650d",
	);

/** What happens to an environment whose time is over. */
export const onExpiries = ["destroy", "hibernate"] as const;
export type OnExpiry = (typeof onExpiries)[number];

/** Why the service ends an environment: its `ttl` is over, or its create did not succeed and its `failureTtl` is over. */
export const endReasons = ["expired", "create_failed"] as const;
export type EndReason = (typeof endReasons)[number];

/** What a tenant is allowed. null: nothing is said. */
export interface ExpirySettings {
	readonly ttlDefault: string | null;
	readonly ttlMax: string | null;
	readonly failureTtlDefault: string | null;
}

/** How an order's words are kept. null: never. */
export interface PlannedExpiry {
	readonly ttlSeconds: number | null;
	readonly onExpiry: OnExpiry;
	readonly failureTtlSeconds: number | null;
}

/** What is wrong with a `ttl` that is asked for, null being for ever; undefined: nothing. */
export function findTtlError(
	ttl: string | null,
	{ ttlMax }: Pick<ExpirySettings, "ttlMax">,
): string | undefined {
	if (ttlMax === null) return undefined;
	if (ttl === null)
		return `must not be null: the tenant's environments live for at most ${ttlMax} at a time`;
	return readDuration(ttl) > readDuration(ttlMax)
		? `must be at most ${ttlMax}, which is the tenant's maximum`
		: undefined;
}

/** What is not said is the tenant's default, and that is never above its maximum. */
export function planExpiry(
	order: {
		readonly ttl?: string | null | undefined;
		readonly onExpiry: OnExpiry;
		readonly failureTtl?: string | null | undefined;
	},
	settings: ExpirySettings,
): PlannedExpiry {
	const {
		ttl = decideDefault(settings),
		failureTtl = settings.failureTtlDefault,
	} = order;
	return {
		ttlSeconds: ttl === null ? null : readDuration(ttl),
		onExpiry: order.onExpiry,
		failureTtlSeconds: failureTtl === null ? null : readDuration(failureTtl),
	};
}

function decideDefault({ ttlDefault, ttlMax }: ExpirySettings): string | null {
	if (ttlDefault === null || ttlMax === null) return ttlDefault ?? ttlMax;
	return readDuration(ttlDefault) < readDuration(ttlMax) ? ttlDefault : ttlMax;
}

/** How long before the end it is told, in seconds, the longest first. */
export const warningSeconds: readonly number[] = [86_400, 3_600, 600];

/**
 * How long before the end there is something to do next, in seconds: a warning that fits into what is left, or 0, which
 * is the end. One that would be told at once is none.
 */
export const decideNextNotice = (leftSeconds: number): number =>
	warningSeconds.find((lead) => lead < leftSeconds) ?? 0;

/** How long the service waits until it orders an end again that did not come about, or was not possible, in seconds. */
export const againSeconds = { ordered: 3_600, refused: 60 } as const;
