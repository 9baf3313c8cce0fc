// A release on its way to many environments: what may be asked, its states, and when a window is open.
import { z } from "zod";
import type { EnvironmentId, OperationId, RolloutId } from "./ids.ts";
import { dnsLabel, environmentNameLength } from "./names.ts";
import { releaseName } from "./release.ts";
import { labels, sizes } from "./spec.ts";
import { tenantName } from "./tenant.ts";

/**
 * `paused`: nothing new is begun until it is resumed. `stopping`: nothing new is begun any more, and what was begun
 * comes to its end.
 */
export const rolloutStates = [
	"running",
	"paused",
	"stopping",
	"succeeded",
	"failed",
	"aborted",
] as const;
export type RolloutState = (typeof rolloutStates)[number];

/**
 * `skipped`: when its turn came there was nothing to upgrade, or it could not be. `untouched`: the roll-out stopped
 * before its turn.
 */
export const memberStates = [
	"waiting",
	"upgrading",
	"succeeded",
	"rolling_back",
	"rolled_back",
	"failed",
	"skipped",
	"untouched",
] as const;
export type MemberState = (typeof memberStates)[number];

/** Whom it is for; all that is given must fit, and nothing given is all environments. */
export const rolloutSelector = z.strictObject({
	labels: labels.optional(),
	tenant: tenantName.optional(),
	size: z.enum(sizes).optional(),
	target: dnsLabel(63).optional(),
	names: z.array(dnsLabel(environmentNameLength)).min(1).max(1_000).optional(),
});

export type RolloutSelector = z.infer<typeof rolloutSelector>;

const timeOfDay = z
	.string()
	.regex(/^([01]\d|2[0-3]):[0-5]\d$/, "must be a time of day, such as 22:30");

export const rolloutWindow = z
	.strictObject({
		from: timeOfDay,
		to: timeOfDay,
		timeZone: z
			.string()
			.max(64)
			.refine(isTimeZone, "must be a time zone, such as Europe/Berlin"),
	})
	.refine(({ from, to }) => from !== to, "must not be empty")
	.describe(
		"Members are begun from one time of day to the other, over midnight if that comes first. What was begun is not interrupted.",
	);

export type RolloutWindow = z.infer<typeof rolloutWindow>;

export const rolloutOrder = z.strictObject({
	release: releaseName,
	selector: rolloutSelector,
	maxConcurrent: z
		.int()
		.min(1)
		.max(100)
		.default(3)
		.describe("How many are upgraded at a time; as many are the first wave."),
	pauseAfterFirstWave: z
		.union([z.boolean(), z.int().min(1).max(604_800)])
		.default(false)
		.describe(
			"true: until it is resumed; a number: for so many seconds, or until then.",
		),
	window: rolloutWindow.optional(),
	onFailure: z
		.literal("stop")
		.default("stop")
		.describe("The member that failed is rolled back, the rest not begun."),
});

export type RolloutOrder = z.infer<typeof rolloutOrder>;

export interface Rollout {
	readonly id: RolloutId;
	readonly release: string;
	readonly selector: RolloutSelector;
	readonly maxConcurrent: number;
	/** null: none. 0: until it is resumed. */
	readonly pauseSeconds: number | null;
	readonly window: RolloutWindow | null;
	readonly state: RolloutState;
	readonly requestedBy: string;
	readonly abortedBy: string | null;
	/** The pause after the first wave is over, or was begun. */
	readonly hasPaused: boolean;
	readonly resumesAt: Date | null;
	/** What it came through, oldest first. */
	readonly timeline: readonly RolloutStep[];
	readonly createdAt: Date;
	readonly finishedAt: Date | null;
}

export interface RolloutStep {
	readonly state: RolloutState;
	readonly at: string;
	readonly reason: string | null;
}

export interface RolloutMember {
	readonly ordinal: number;
	readonly environment: EnvironmentId;
	readonly name: string;
	readonly tenant: string;
	readonly state: MemberState;
	readonly operation: OperationId | null;
	/** Takes it back after a failure. */
	readonly rollback: OperationId | null;
	readonly reason: string | null;
}

export const isUnderWay = ({ state }: Pick<RolloutMember, "state">): boolean =>
	state === "upgrading" || state === "rolling_back";

export const hasFailed = ({ state }: Pick<RolloutMember, "state">): boolean =>
	state === "rolling_back" || state === "rolled_back" || state === "failed";

/** Whether a member may be begun at this moment, by the clock of the window's time zone. */
export function isOpen(window: RolloutWindow | null, now: Date): boolean {
	if (window === null) return true;
	const { from, to, timeZone } = window;
	const time = new Intl.DateTimeFormat("en-GB", {
		timeZone,
		hour: "2-digit",
		minute: "2-digit",
		hourCycle: "h23",
	}).format(now);
	return from < to ? from <= time && time < to : from <= time || time < to;
}

function isTimeZone(text: string): boolean {
	try {
		new Intl.DateTimeFormat("en", { timeZone: text });
		return true;
	} catch {
		return false;
	}
}
