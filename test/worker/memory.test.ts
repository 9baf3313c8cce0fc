// An update is begun only with memory for it.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { freemem, tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { Failure } from "../../src/failure.ts";
import { measureFreeMemory } from "../../src/worker/memory.ts";
import { until } from "../support/until.ts";
import { givenPool, neverAborted } from "./given.ts";

/** A pool of two children on a machine whose free memory is what the test says. */
async function givenMachine(t: TestContext) {
	const machine = { freeMiB: 0 };
	const { pool } = await givenPool(t, {
		size: 2,
		measureFreeMiB: () => machine.freeMiB,
	});
	await until("both children are there", () => pool.idle() === 2);
	return { machine, pool };
}

test("with little memory the first update is begun and the second waits, says so, and begins when there is room", async (t) => {
	const { machine, pool } = await givenMachine(t);
	const first = await pool.borrow(neverAborted());
	let isLent = false;
	const second = pool.borrow(neverAborted()).then((loan) => {
		isLent = true;
		return loan;
	});
	await until("it waits", () => pool.isShortOfMemory());
	assert.deepEqual([isLent, pool.idle()], [false, 1]);
	machine.freeMiB = 4_096;
	(await second).release();
	assert.equal(pool.isShortOfMemory(), false);
	first.release();
});

test("the end of the only update lets the next begin whatever there is", async (t) => {
	const { pool } = await givenMachine(t);
	const first = await pool.borrow(neverAborted());
	const second = pool.borrow(neverAborted());
	await until("it waits", () => pool.isShortOfMemory());
	first.release();
	(await second).release();
});

test("what was begun just now counts with what it will take", async (t) => {
	const { machine, pool } = await givenMachine(t);
	machine.freeMiB = 500;
	(await pool.borrow(neverAborted())).release();
	await pool.borrow(neverAborted());
	void pool.borrow(neverAborted()).catch(() => {});
	assert.equal(pool.isShortOfMemory(), true);
});

test("who waits for memory is let go when it is cancelled or the pool is closed", async (t) => {
	const { pool } = await givenMachine(t);
	await pool.borrow(neverAborted());
	const controller = new AbortController();
	const fails = (code: string) => (error: unknown) =>
		error instanceof Failure && error.code === code;
	const cancelled = assert.rejects(
		pool.borrow(controller.signal),
		fails("cancelled"),
	);
	const closed = assert.rejects(
		pool.borrow(neverAborted()),
		fails("unavailable"),
	);
	controller.abort();
	await cancelled;
	await pool.close();
	await closed;
});

test("free memory is the machine's, and in a container no more than its group may still take, caches not counted", (t) => {
	const folder = mkdtempSync(join(tmpdir(), "impresario-cgroup-"));
	t.after(() => rmSync(folder, { recursive: true }));
	const write = (name: string, text: string) =>
		writeFileSync(join(folder, name), `${text}\n`);
	const mib = 2 ** 20;
	assert.ok(measureFreeMemory(join(folder, "none")) > 0);
	write("memory.current", String(90 * mib));
	write("memory.stat", `anon 5\ninactive_file ${30 * mib}\nactive_file 7`);
	write("memory.max", String(100 * mib));
	assert.equal(measureFreeMemory(folder), 40);
	write("memory.max", "max");
	assert.ok(Math.abs(measureFreeMemory(folder) - freemem() / mib) < 500);
});
