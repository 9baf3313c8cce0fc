// One look for all who wait for the end of a transaction.
import assert from "node:assert/strict";
import { test } from "node:test";
import { watchHorizon } from "../../src/feed/horizon.ts";
import type { Db } from "../../src/store/db.ts";

function given() {
	const state = { horizon: 5, looks: 0, isAway: false };
	const whenMoved = watchHorizon({} as Db, async () => {
		state.looks += 1;
		if (state.isAway) throw new Error("away");
		return state.horizon;
	});
	const wait = (horizon: number) => {
		const { promise, resolve } = Promise.withResolvers<void>();
		return { promise, stop: whenMoved(horizon, resolve) };
	};
	return { state, wait };
}

/** Whether it is fulfilled by now. */
const isDone = (promise: Promise<unknown>) =>
	Promise.race([
		promise.then(() => true),
		new Promise<boolean>((fulfil) => setImmediate(fulfil, false)),
	]);

test("whoever waits is woken when the horizon is beyond, by one look for all", async (t) => {
	t.mock.timers.enable({ apis: ["setTimeout"] });
	const { state, wait } = given();
	const all = [5, 5, 6].map(wait);
	const pass = async (ms: number) => {
		t.mock.timers.tick(ms);
		for (let i = 0; i < 10; i++) await Promise.resolve();
	};
	await pass(100);
	assert.equal(state.looks, 1);
	state.horizon = 6;
	await pass(200);
	assert.deepEqual(
		await Promise.all(all.map(({ promise }) => isDone(promise))),
		[true, true, false],
	);
	assert.equal(state.looks, 2);
	// Somebody was woken, so the next look is soon again.
	state.horizon = 7;
	await pass(100);
	assert.equal(state.looks, 3);
	await all[2]?.promise;
	await pass(60_000);
	assert.equal(state.looks, 3, "nobody waits, so nobody looks");
});

test("while nothing moves it looks ever more rarely, down to once a second", async (t) => {
	t.mock.timers.enable({ apis: ["setTimeout"] });
	const { state, wait } = given();
	const { stop } = wait(5);
	for (let ms = 0; ms < 10_000; ms += 50) {
		t.mock.timers.tick(50);
		for (let i = 0; i < 10; i++) await Promise.resolve();
	}
	assert.ok(state.looks >= 10 && state.looks <= 13, String(state.looks));
	stop();
});

test("where the database is away, whoever waits is woken to meet it", async (t) => {
	t.mock.timers.enable({ apis: ["setTimeout"] });
	const { state, wait } = given();
	state.isAway = true;
	const { promise } = wait(5);
	t.mock.timers.tick(100);
	await promise;
});

test("who comes while it looks starts no second look", async (t) => {
	t.mock.timers.enable({ apis: ["setTimeout"] });
	const { state, wait } = given();
	const first = wait(5);
	t.mock.timers.tick(100);
	first.stop();
	const second = wait(5);
	for (let ms = 0; ms < 5_000; ms += 50) {
		for (let i = 0; i < 10; i++) await Promise.resolve();
		t.mock.timers.tick(50);
	}
	assert.ok(state.looks <= 8, String(state.looks));
	second.stop();
});
