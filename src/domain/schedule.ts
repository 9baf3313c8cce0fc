// When an environment sleeps by itself: windows of local time. Pure; what a local time means in summer and winter is
// asked of the platform's time zones.
import { z } from "zod";

const days = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"] as const;
const minutesPerDay = 24 * 60;
const dayMs = minutesPerDay * 60_000;

// What aborts here never comes to `coversWeek`, which walks through each minute from one time to the other: to that of
// another text it would walk for hours, or for ever.
const from = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, {
	error: "must be a time from 00:00 to 23:59",
	abort: true,
});
const to = z.string().regex(/^(([01]\d|2[0-3]):[0-5]\d|24:00)$/, {
	error: "must be a time from 00:00 to 24:00",
	abort: true,
});

const window = z
	.strictObject({
		from,
		to: to.describe(
			"On the same day if it is later than `from`, else on the next. 24:00 is the end of the day.",
		),
		days: z
			.array(z.enum(days))
			.min(1)
			.max(days.length)
			.optional()
			.describe("On which the window begins; without it, on all of them."),
	})
	.refine((one) => one.from !== one.to, "must not begin and end at one time");

const timeZone = z
	.string()
	.max(64)
	.refine(isTimeZone, "is no time zone, such as Europe/Berlin");

/**
 * Asleep at night and at weekends: `{timeZone: "Europe/Berlin", asleep: [{from: "20:00", to: "07:00"}, {from: "00:00",
 * to: "24:00", days: ["sat", "sun"]}]}`. Windows may overlap. It is followed at its transitions only: what somebody orders
 * between two of them holds until the next.
 */
export const schedule = z
	.strictObject({
		timeZone,
		asleep: z.array(window).min(1).max(14),
	})
	.refine(
		({ asleep }) => !coversWeek(asleep),
		"must leave a time in which the environment is awake",
	);

export type Schedule = z.infer<typeof schedule>;
type Window = z.infer<typeof window>;

function isTimeZone(name: string): boolean {
	// Offsets such as +02:00 know no summer.
	if (!/^[A-Za-z]/.test(name)) return false;
	try {
		new Intl.DateTimeFormat("en", { timeZone: name });
		return true;
	} catch {
		return false;
	}
}

function readMinutes(time: string): number {
	const [hours = 0, minutes = 0] = time.split(":").map(Number);
	return hours * 60 + minutes;
}

/** In minutes of the day that the window begins on. */
function measure(one: Window): {
	readonly start: number;
	readonly end: number;
} {
	const [start, end] = [readMinutes(one.from), readMinutes(one.to)];
	return { start, end: end > start ? end : end + minutesPerDay };
}

function coversWeek(windows: readonly Window[]): boolean {
	const week = days.length * minutesPerDay;
	const asleep = new Uint8Array(week);
	for (const one of windows) {
		// Refused for itself.
		if (one.from === one.to) continue;
		const { start, end } = measure(one);
		for (const [index, day] of days.entries()) {
			if (!(one.days ?? days).includes(day)) continue;
			for (let minute = start; minute < end; minute += 1)
				asleep[(index * minutesPerDay + minute) % week] = 1;
		}
	}
	return asleep.every((minute) => minute === 1);
}

/** A span of time, in milliseconds since 1970. */
interface Span {
	readonly start: number;
	readonly end: number;
}

// Two weeks ahead a week has passed in which every window began, also where one of its nights was cut short.
const horizonDays = 15;

/** The spans of sleep around and after a time, in their order, none touching another. */
function listSpans({ timeZone, asleep }: Schedule, after: Date): Span[] {
	const zone = makeZone(timeZone);
	const today = zone.toLocal(after.getTime());
	const midnight = today - (((today % dayMs) + dayMs) % dayMs);
	const spans: Span[] = [];
	// A window of yesterday, or of the day before at midnight, may last still.
	for (let day = -2; day <= horizonDays; day += 1) {
		const local = midnight + day * dayMs;
		const name = days[new Date(local).getUTCDay()];
		for (const one of asleep) {
			if (name === undefined || !(one.days ?? days).includes(name)) continue;
			const { start, end } = measure(one);
			const span = {
				start: zone.toInstant(local + start * 60_000),
				end: zone.toInstant(local + end * 60_000),
			};
			// One that lies in the hour that is left out in spring is no time at all.
			if (span.end > span.start) spans.push(span);
		}
	}
	return join(spans);
}

function join(spans: readonly Span[]): Span[] {
	const joined: Span[] = [];
	for (const span of spans.toSorted((a, b) => a.start - b.start)) {
		const last = joined.at(-1);
		if (last === undefined || span.start > last.end) joined.push(span);
		else
			joined[joined.length - 1] = {
				start: last.start,
				end: Math.max(last.end, span.end),
			};
	}
	return joined;
}

export const isAsleepAt = (schedule: Schedule, time: Date): boolean =>
	listSpans(schedule, time).some(
		({ start, end }) => start <= time.getTime() && time.getTime() < end,
	);

export interface Transition {
	readonly at: Date;
	/** The power that it leads to. */
	readonly to: "on" | "hibernated";
}

/** When the environment falls asleep or wakes next, strictly after a time. */
export function findNextTransition(
	schedule: Schedule,
	after: Date,
): Transition {
	const next = listSpans(schedule, after)
		.flatMap(({ start, end }) => [
			{ at: new Date(start), to: "hibernated" as const },
			{ at: new Date(end), to: "on" as const },
		])
		.find(({ at }) => at > after);
	if (next === undefined) throw new Error("a schedule without a transition");
	return next;
}

interface Zone {
	/** What a clock on the wall shows, as if it were UTC. */
	toLocal(instant: number): number;
	/**
	 * When the clock on the wall shows this. A time that comes twice means the first of them; one that is left out is as
	 * much after the change as it was to be after it (as `compatible` in ECMAScript's Temporal).
	 */
	toInstant(local: number): number;
}

function makeZone(timeZone: string): Zone {
	const format = new Intl.DateTimeFormat("en-US", {
		timeZone,
		calendar: "gregory",
		numberingSystem: "latn",
		hourCycle: "h23",
		year: "numeric",
		month: "numeric",
		day: "numeric",
		hour: "numeric",
		minute: "numeric",
		second: "numeric",
	});
	const toLocal = (instant: number): number => {
		const parts = new Map(
			format
				.formatToParts(instant)
				.map(({ type, value }) => [type as string, Number(value)] as const),
		);
		const read = (type: string) => parts.get(type) ?? 0;
		return Date.UTC(
			read("year"),
			read("month") - 1,
			read("day"),
			read("hour"),
			read("minute"),
			read("second"),
		);
	};
	const findOffset = (instant: number) =>
		toLocal(instant) - Math.floor(instant / 1000) * 1000;
	return {
		toLocal,
		toInstant(local) {
			const before = findOffset(local - dayMs);
			const after = findOffset(local + dayMs);
			const fits = [before, after]
				.map((offset) => local - offset)
				.filter((instant) => toLocal(instant) === local);
			return fits.length === 0 ? local - before : Math.min(...fits);
		},
	};
}
