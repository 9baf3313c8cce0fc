// Which schedules a CronJob takes.
import assert from "node:assert/strict";
import { test } from "node:test";
import { isCronSchedule } from "../../src/domain/cron.ts";

const right = [
	"17 3 * * *",
	"*/15 * * * *",
	"0 0 1 1 *",
	"0,30 8-18/2 * jan-mar MON-FRI",
	"59 23 31 12 6",
	"5 1 ? * 0",
];
const wrong = [
	"",
	"* * * *",
	"* * * * * *",
	"60 * * * *",
	"* 24 * * *",
	"* * 0 * *",
	"* * 32 * *",
	"* * * 13 *",
	"* * * * 7",
	"* * * * someday",
	"5-1 * * * *",
	"1-2-3 * * * *",
	"*/0 * * * *",
	"*/x * * * *",
	"1/2/3 * * * *",
	"1, * * * *",
	"-1 * * * *",
	"@daily",
	"a b c d e",
];

for (const schedule of right)
	test(`"${schedule}" is a schedule`, () =>
		assert.equal(isCronSchedule(schedule), true));
for (const schedule of wrong)
	test(`"${schedule}" is none`, () =>
		assert.equal(isCronSchedule(schedule), false));
