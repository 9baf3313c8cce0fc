import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import type { NewEvent } from "../../src/domain/event.ts";
import { followEvents } from "../../src/engine/follow.ts";
import { readRecorded } from "./recorded.ts";

const recorded = readRecorded("objects-created");
const same = (text: string) => text;

test("events are passed on in order, one at a time, and all before the end", async () => {
	const taken: NewEvent[] = [];
	let atOnce = 0;
	const follower = followEvents(
		{
			signal: new AbortController().signal,
			async onEvent(event) {
				atOnce++;
				assert.equal(atOnce, 1);
				await delay(2);
				taken.push(event);
				atOnce--;
			},
		},
		same,
	);
	for (const event of recorded) follower.onEvent(event);
	const changes = await follower.settle();
	assert.equal(taken.length, 4);
	assert.equal(changes.create, 4);
	assert.equal(taken[0]?.type, "resource.created");
});

test("a caller that cannot take an event ends the run and gets no more", async () => {
	let calls = 0;
	const follower = followEvents(
		{
			signal: new AbortController().signal,
			onEvent() {
				calls++;
				throw new Error("The lease is lost.");
			},
		},
		same,
	);
	for (const event of recorded) follower.onEvent(event);
	await assert.rejects(follower.settle(), /The lease is lost/);
	assert.equal(follower.signal.aborted, true);
	assert.equal(calls, 1);
});

test("the caller's abort is the run's abort", () => {
	const caller = new AbortController();
	const follower = followEvents(
		{ signal: caller.signal, onEvent: () => {} },
		same,
	);
	assert.equal(follower.signal.aborted, false);
	caller.abort();
	assert.equal(follower.signal.aborted, true);
});
