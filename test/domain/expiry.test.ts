import assert from "node:assert/strict";
import { test } from "node:test";
import {
	decideNextNotice,
	duration,
	type ExpirySettings,
	findTtlError,
	planExpiry,
	readDuration,
	writeDuration,
} from "../../src/domain/expiry.ts";

const nothingSaid: ExpirySettings = {
	ttlDefault: null,
	ttlMax: null,
	failureTtlDefault: null,
};

for (const [text, seconds, written] of [
	["90s", 90, "90s"],
	["30m", 1_800, "30m"],
	["120m", 7_200, "2h"],
	["24h", 86_400, "1d"],
	["3d", 259_200, "3d"],
	["14d", 1_209_600, "2w"],
	["3650d", 315_360_000, "3650d"],
] as const)
	test(`${text} is a duration of ${seconds} seconds, told as ${written}`, () => {
		assert.equal(duration.parse(text), text);
		assert.equal(readDuration(text), seconds);
		assert.equal(writeDuration(seconds), written);
	});

for (const text of [
	"",
	"2",
	"h",
	"0h",
	"-2h",
	"1.5h",
	"2H",
	"2 h",
	"PT2H",
	"1h30m",
	"1y",
	"3651d",
	"999999999w",
	"9999999999s",
	2,
])
	test(`${JSON.stringify(text)} is no duration, and one reason is told`, () => {
		const result = duration.safeParse(text);
		assert.equal(result.error?.issues.length, 1);
	});

for (const [said, settings, seconds] of [
	[undefined, {}, null],
	[null, {}, null],
	["2h", {}, 7_200],
	[undefined, { ttlDefault: "1d" }, 86_400],
	[undefined, { ttlMax: "2d" }, 172_800],
	[undefined, { ttlDefault: "1d", ttlMax: "2d" }, 86_400],
	// The maximum was lowered after the default was set.
	[undefined, { ttlDefault: "3d", ttlMax: "2d" }, 172_800],
	["1h", { ttlDefault: "1d", ttlMax: "2d" }, 3_600],
	[null, { ttlDefault: "1d" }, null],
] as const)
	test(`an order that says ${said} of its time lives for ${seconds} s where the tenant has ${JSON.stringify(settings)}`, () => {
		const order = {
			onExpiry: "destroy",
			...(said !== undefined && { ttl: said }),
		} as const;
		const plan = planExpiry(order, { ...nothingSaid, ...settings });
		assert.equal(plan.ttlSeconds, seconds);
	});

test("an order's failureTtl counts before the tenant's, also where it is null", () => {
	const settings = { ...nothingSaid, failureTtlDefault: "2h" };
	const plan = (failureTtl?: string | null) =>
		planExpiry({ onExpiry: "destroy", failureTtl }, settings).failureTtlSeconds;
	assert.deepEqual([plan(), plan("5m"), plan(null)], [7_200, 300, null]);
});

test("nothing is too long where the tenant has no maximum; else what is longer is, and for ever most of all", () => {
	assert.equal(findTtlError(null, nothingSaid), undefined);
	assert.equal(findTtlError("3650d", nothingSaid), undefined);
	const limited = { ttlMax: "2d" };
	assert.equal(findTtlError("48h", limited), undefined);
	assert.match(findTtlError("49h", limited) ?? "", /at most 2d/);
	assert.match(findTtlError(null, limited) ?? "", /not be null.*2d/);
});

for (const [left, lead] of [
	[90_000, 86_400],
	[86_400, 3_600],
	[3_601, 3_600],
	[3_600, 600],
	[600, 0],
	[1, 0],
] as const)
	test(`with ${left} s left the next notice comes ${lead} s before the end`, () => {
		assert.equal(decideNextNotice(left), lead);
	});
