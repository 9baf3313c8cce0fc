import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import {
	createSpan,
	findTrace,
	formatTraceparent,
	parseTraceparent,
	withTrace,
} from "../../src/domain/trace.ts";

const traceId = "0af7651916cd43dd8448eb211c80319c";
const spanId = "b7ad6b7169203331";

test("a traceparent is read", () => {
	assert.deepEqual(parseTraceparent(`00-${traceId}-${spanId}-01`), {
		traceId,
		spanId,
		parentId: null,
		isSampled: true,
	});
	assert.equal(
		parseTraceparent(`00-${traceId}-${spanId}-00`)?.isSampled,
		false,
	);
});

test("of a later version, what is known of it is read", () => {
	assert.equal(
		parseTraceparent(`cc-${traceId}-${spanId}-01-what-comes`)?.traceId,
		traceId,
	);
});

for (const [what, text] of [
	["nothing", undefined],
	["an empty text", ""],
	["version ff", `ff-${traceId}-${spanId}-01`],
	["version 00 with more", `00-${traceId}-${spanId}-01-more`],
	["a later version with more, not set off", `01-${traceId}-${spanId}-01more`],
	["a trace id of zeros", `00-${"0".repeat(32)}-${spanId}-01`],
	["a parent id of zeros", `00-${traceId}-${"0".repeat(16)}-01`],
	["upper case", `00-${traceId.toUpperCase()}-${spanId}-01`],
	["a short id", `00-${traceId.slice(1)}-${spanId}-01`],
	["two in one", `00-${traceId}-${spanId}-01, 00-${traceId}-${spanId}-01`],
] as const) {
	test(`${what} is as no traceparent`, () => {
		assert.equal(parseTraceparent(text), undefined);
	});
}

test("a part of a trace is of the same trace, and names what led to it", () => {
	const parent = parseTraceparent(`00-${traceId}-${spanId}-01`);
	const span = createSpan(parent);
	assert.equal(span.traceId, traceId);
	assert.equal(span.parentId, spanId);
	assert.notEqual(span.spanId, spanId);
	assert.equal(span.isSampled, true);
	const again = parseTraceparent(formatTraceparent(span));
	assert.deepEqual(again, { ...span, parentId: null });
});

test("without a parent a trace begins", () => {
	const one = createSpan(undefined);
	assert.equal(one.parentId, null);
	assert.ok(parseTraceparent(formatTraceparent(one)));
	assert.notEqual(createSpan(undefined).traceId, one.traceId);
});

test("what is done in a trace knows it, and what is beside it does not", async () => {
	const one = createSpan(undefined);
	const other = createSpan(undefined);
	const look = async () => {
		await setImmediate();
		return findTrace();
	};
	const seen = await Promise.all([
		withTrace(one, look),
		look(),
		withTrace(other, look),
	]);
	assert.deepEqual(seen, [one, undefined, other]);
});
