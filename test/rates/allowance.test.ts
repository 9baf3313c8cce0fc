import assert from "node:assert/strict";
import { test } from "node:test";
import { makeAllowance } from "../../src/rates/allowance.ts";
import type { SharedCounts } from "../../src/rates/counts.ts";

/** A store for several processes, which counts how often it is asked. */
function makeStore() {
	const points = new Map<string, number>();
	let asked = 0;
	let endsAt = Date.now() + 60_000;
	const counts: Pick<SharedCounts, "add"> = {
		async add(key, more) {
			asked++;
			const sum = (points.get(key) ?? 0) + more;
			points.set(key, sum);
			return { points: sum, leftMs: endsAt - Date.now() };
		},
	};
	return {
		counts,
		countAsked: () => asked,
		endWindow() {
			points.clear();
			endsAt = Date.now() + 60_000;
		},
		/** What is counted from now on belongs to a window that ends at once. */
		closeWindow() {
			endsAt = Date.now();
		},
	};
}

const open = (store: ReturnType<typeof makeStore>, limit: number) =>
	makeAllowance({
		name: "token",
		limit,
		counts: store.counts,
		onAway: (error) => assert.fail(String(error)),
	});

test("one process gives out the limit and nothing more", async () => {
	const allowance = open(makeStore(), 600);
	let allowed = 0;
	for (let i = 0; i < 700; i++)
		if ((await allowance.take("a")).isAllowed) allowed++;
	assert.equal(allowed, 600);
});

test("a store is asked rarely, and not at all once nothing is left", async () => {
	const store = makeStore();
	const allowance = open(store, 600);
	for (let i = 0; i < 590; i++) await allowance.take("a");
	assert.ok(store.countAsked() < 50, `${store.countAsked()} times`);
	for (let i = 0; i < 10; i++) await allowance.take("a");
	const before = store.countAsked();
	for (let i = 0; i < 1_000; i++) await allowance.take("a");
	assert.equal(store.countAsked(), before);
});

test("many who come at once wait for one question", async () => {
	const store = makeStore();
	const allowance = open(store, 600);
	await Promise.all(Array.from({ length: 400 }, () => allowance.take("a")));
	assert.ok(store.countAsked() <= 2, `${store.countAsked()} times`);
});

test("several processes never exceed the limit together", async () => {
	const store = makeStore();
	const processes = [0, 1, 2].map(() => open(store, 100));
	const verdicts = await Promise.all(
		Array.from({ length: 300 }, (_, i) =>
			(processes[i % 3] ?? assert.fail()).take("a"),
		),
	);
	const allowed = verdicts.filter(({ isAllowed }) => isAllowed).length;
	assert.equal(allowed, 100);
});

test("what is left is told, and keys do not share it", async () => {
	const allowance = open(makeStore(), 10);
	const remaining = async (key: string) =>
		(await allowance.take(key)).remaining;
	assert.equal(await remaining("a"), 9);
	assert.equal(await remaining("a"), 8);
	assert.equal(await remaining("b"), 9);
});

test("a point that was given back is given out again", async () => {
	const allowance = open(makeStore(), 1);
	assert.equal((await allowance.take("a")).isAllowed, true);
	assert.equal((await allowance.take("a")).isAllowed, false);
	allowance.giveBack("a");
	assert.equal((await allowance.take("a")).isAllowed, true);
});

test("a new window has the whole limit again", async () => {
	const store = makeStore();
	const allowance = open(store, 2);
	store.closeWindow();
	assert.equal((await allowance.take("a")).isAllowed, true);
	store.endWindow();
	assert.equal((await allowance.take("a")).remaining, 1);
});

test("without a limit nobody is asked", async () => {
	const store = makeStore();
	const allowance = open(store, 0);
	assert.equal((await allowance.take("a")).isAllowed, true);
	assert.equal(store.countAsked(), 0);
});
