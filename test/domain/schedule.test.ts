// When an environment sleeps by itself, through the nights in which clocks are changed.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
	findNextTransition,
	isAsleepAt,
	type Schedule,
	schedule,
} from "../../src/domain/schedule.ts";

const at = (time: string) => new Date(time);
const given = (
	timeZone: string,
	...asleep: Schedule["asleep"][number][]
): Schedule => schedule.parse({ timeZone, asleep });

const berlin = "Europe/Berlin";
const newYork = "America/New_York";
const night = { from: "20:00", to: "07:00" };
const weekend = {
	from: "00:00",
	to: "24:00",
	days: ["sat", "sun"],
} satisfies Schedule["asleep"][number];

/** The transitions between two times: a sleep begins with the first, unless it is said otherwise. */
function list(wish: Schedule, from: string, to: string): string[] {
	const found: string[] = [];
	for (let time = at(from); ; ) {
		const next = findNextTransition(wish, time);
		if (next.at >= at(to)) return found;
		time = next.at;
		found.push(
			`${next.to === "on" ? "wakes" : "sleeps"} ${time.toISOString().slice(0, 16)}`,
		);
	}
}

const table: readonly (readonly [
	what: string,
	wish: Schedule,
	from: string,
	to: string,
	transitions: readonly string[],
])[] = [
	[
		"a night in winter is one hour behind UTC in Berlin",
		given(berlin, night),
		"2026-01-12T12:00Z",
		"2026-01-13T12:00Z",
		["sleeps 2026-01-12T19:00", "wakes 2026-01-13T06:00"],
	],
	[
		"the night to summer time is an hour shorter in Berlin",
		given(berlin, night),
		"2026-03-28T12:00Z",
		"2026-03-29T12:00Z",
		["sleeps 2026-03-28T19:00", "wakes 2026-03-29T05:00"],
	],
	[
		"the night to winter time is an hour longer in Berlin",
		given(berlin, night),
		"2026-10-24T12:00Z",
		"2026-10-25T12:00Z",
		["sleeps 2026-10-24T18:00", "wakes 2026-10-25T06:00"],
	],
	[
		"the night to summer time is an hour shorter in New York",
		given(newYork, night),
		"2026-03-07T17:00Z",
		"2026-03-08T17:00Z",
		["sleeps 2026-03-08T01:00", "wakes 2026-03-08T11:00"],
	],
	[
		"the night to winter time is an hour longer in New York",
		given(newYork, night),
		"2026-10-31T17:00Z",
		"2026-11-01T17:00Z",
		["sleeps 2026-11-01T00:00", "wakes 2026-11-01T12:00"],
	],
	[
		"a time that is left out is an hour later in Berlin",
		given(berlin, { from: "02:30", to: "05:00" }),
		"2026-03-28T12:00Z",
		"2026-03-29T12:00Z",
		["sleeps 2026-03-29T01:30", "wakes 2026-03-29T03:00"],
	],
	[
		"a time that comes twice is the first of the two in Berlin",
		given(berlin, { from: "02:30", to: "05:00" }),
		"2026-10-24T12:00Z",
		"2026-10-25T12:00Z",
		["sleeps 2026-10-25T00:30", "wakes 2026-10-25T04:00"],
	],
	[
		"a time that is left out is an hour later in New York",
		given(newYork, { from: "22:00", to: "02:15" }),
		"2026-03-07T17:00Z",
		"2026-03-08T17:00Z",
		["sleeps 2026-03-08T03:00", "wakes 2026-03-08T07:15"],
	],
	[
		"a time that comes twice is the first of the two in New York",
		given(newYork, { from: "22:00", to: "01:15" }),
		"2026-10-31T17:00Z",
		"2026-11-01T17:00Z",
		["sleeps 2026-11-01T02:00", "wakes 2026-11-01T05:15"],
	],
	[
		"a window in the hour that is left out is no longer than it was to be",
		given(berlin, { from: "02:10", to: "02:50" }),
		"2026-03-28T12:00Z",
		"2026-03-29T12:00Z",
		["sleeps 2026-03-29T01:10", "wakes 2026-03-29T01:50"],
	],
	[
		"nights and a weekend are one sleep from Friday to Monday",
		given(berlin, night, weekend),
		"2026-06-12T12:00Z",
		"2026-06-15T20:00Z",
		[
			"sleeps 2026-06-12T18:00",
			"wakes 2026-06-15T05:00",
			"sleeps 2026-06-15T18:00",
		],
	],
	[
		"a weekend alone is from midnight to midnight, also when clocks change in it",
		given(berlin, weekend),
		"2026-03-25T12:00Z",
		"2026-03-31T12:00Z",
		["sleeps 2026-03-27T23:00", "wakes 2026-03-29T22:00"],
	],
	[
		"the day of a window is the one on which it begins",
		given(berlin, { ...night, days: ["fri"] }),
		"2026-06-08T12:00Z",
		"2026-06-15T12:00Z",
		["sleeps 2026-06-12T18:00", "wakes 2026-06-13T05:00"],
	],
	[
		"a zone half a day from UTC has its own days",
		given("Pacific/Auckland", { from: "01:00", to: "06:00", days: ["mon"] }),
		"2026-06-13T00:00Z",
		"2026-06-16T00:00Z",
		["sleeps 2026-06-14T13:00", "wakes 2026-06-14T18:00"],
	],
];
for (const [what, wish, from, to, transitions] of table)
	test(what, () => {
		assert.deepEqual(list(wish, from, to), transitions);
	});

test("in the moment in which a window begins it is asleep, in that of its end awake", () => {
	const wish = given(berlin, night);
	assert.equal(isAsleepAt(wish, at("2026-01-12T18:59:59Z")), false);
	assert.equal(isAsleepAt(wish, at("2026-01-12T19:00:00Z")), true);
	assert.equal(isAsleepAt(wish, at("2026-01-13T05:59:59Z")), true);
	assert.equal(isAsleepAt(wish, at("2026-01-13T06:00:00Z")), false);
});

const days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] as const;
const time = fc
	.nat({ max: 95 })
	.map(
		(n) =>
			`${String(Math.floor(n / 4)).padStart(2, "0")}:${String((n % 4) * 15).padStart(2, "0")}`,
	);
const schedules = fc
	.record({
		timeZone: fc.constantFrom(berlin, newYork, "UTC", "Australia/Lord_Howe"),
		asleep: fc.array(
			fc.record({
				from: time,
				to: time,
				days: fc.subarray([...days], { minLength: 1 }),
			}),
			{ minLength: 1, maxLength: 4 },
		),
	})
	.filter((one) => schedule.safeParse(one).success);
/** A quarter of an hour of the year 2026. */
const moments = fc
	.nat({ max: 365 * 96 })
	.map((n) => new Date(Date.UTC(2026, 0, 1) + n * 900_000));

test("at each transition it changes, and between two of them it does not", () => {
	fc.assert(
		fc.property(schedules, moments, (wish, now) => {
			const { at: next, to } = findNextTransition(wish, now);
			assert.ok(next > now);
			const before = isAsleepAt(wish, now);
			assert.equal(isAsleepAt(wish, next), !before);
			assert.equal(to, before ? "on" : "hibernated");
			for (const part of [0.25, 0.5, 0.75, 1]) {
				const between = now.getTime() + part * (next.getTime() - now.getTime());
				assert.equal(isAsleepAt(wish, new Date(between - 1)), before);
			}
		}),
		{ numRuns: 150 },
	);
});

const refused: readonly (readonly [what: string, wish: unknown])[] = [
	[
		"a zone that does not exist",
		{ timeZone: "Europe/Atlantis", asleep: [night] },
	],
	["an offset, which knows no summer", { timeZone: "+02:00", asleep: [night] }],
	["no window", { timeZone: berlin, asleep: [] }],
	[
		"a window without a length",
		{ timeZone: berlin, asleep: [{ from: "07:00", to: "07:00" }] },
	],
	[
		"a time that does not exist",
		{ timeZone: berlin, asleep: [{ from: "24:00", to: "07:00" }] },
	],
	[
		"a day that does not exist",
		{ timeZone: berlin, asleep: [{ ...night, days: ["caturday"] }] },
	],
	["no day", { timeZone: berlin, asleep: [{ ...night, days: [] }] }],
	[
		"a sleep without an end",
		{
			timeZone: berlin,
			asleep: [
				{ from: "00:00", to: "12:00" },
				{ from: "11:00", to: "00:00" },
			],
		},
	],
];
for (const [what, wish] of refused)
	test(`a schedule with ${what} is refused`, () => {
		assert.equal(schedule.safeParse(wish).success, false);
	});

// Up to a time that is none there may be no end of minutes, and whoever walked through them would do nothing else any more.
for (const window of [
	{ from: "00:00", to: "999:00" },
	{ from: "-999:00", to: "24:00" },
])
	test(`a window from ${window.from} to ${window.to} is refused before its minutes are looked at`, () => {
		const wish = { timeZone: berlin, asleep: [window] };
		const { error } = schedule.safeParse(wish);
		assert.deepEqual(
			error?.issues.map(({ message }) => /leave a time/.test(message)),
			[false],
		);
	});
