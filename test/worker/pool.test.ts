import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { EngineStep } from "../../src/domain/engine.ts";
import { Failure, type FailureCode } from "../../src/failure.ts";
import { findProcess, sendSignal } from "../../src/processes.ts";
import { decidePoolSize, type Pool } from "../../src/worker/pool.ts";
import { givenHooks } from "../engine/given.ts";
import { countRise } from "../support/metrics.ts";
import { until } from "../support/until.ts";
import {
	childModule,
	givenPool,
	labelled,
	neverAborted,
	passphrase,
} from "./given.ts";

const script = (name: string) => labelled({ script: name });

const fails =
	(code: FailureCode, retryable = false) =>
	(error: unknown): boolean => {
		assert.ok(error instanceof Failure, String(error));
		assert.deepEqual([error.code, error.retryable], [code, retryable]);
		return true;
	};

/** Borrows, runs, gives back, and tells the pid of the child that did it. */
async function runOnce(pool: Pool, name = "pid"): Promise<number> {
	const loan = await pool.borrow(neverAborted());
	try {
		const outcome = await loan.engine.up(script(name), givenHooks());
		return outcome.changes.same;
	} finally {
		loan.release();
	}
}

/** The pid of the CLI that a child has started for the run's stack. */
const readCli = (workRoot: string): number =>
	JSON.parse(readFileSync(join(workRoot, script("").stack, "cli.json"), "utf8"))
		.cli.pid;

test("a child is lent as an engine, and its events arrive in order", async (t) => {
	const { pool } = await givenPool(t);
	const loan = await pool.borrow(neverAborted());
	const hooks = givenHooks();
	const outcome = await loan.engine.up(script("tell"), hooks);
	assert.equal(outcome.outputs, null);
	assert.deepEqual(
		hooks.events.map(({ data }) => "name" in data && data.name),
		["one", "two", "three"],
	);
	loan.release();
});

test("a failure arrives as it was thrown", async (t) => {
	const { pool } = await givenPool(t);
	const loan = await pool.borrow(neverAborted());
	await assert.rejects(
		loan.engine.destroy(script("refuse"), givenHooks()),
		(error: unknown) =>
			fails("engine_failed")(error) &&
			error instanceof Failure &&
			error.message === "No." &&
			error.untouched === "All." &&
			error.advice === "None.",
	);
	loan.release();
});

test("an error that is no failure arrives without its text", async (t) => {
	const { pool } = await givenPool(t);
	const loan = await pool.borrow(neverAborted());
	await assert.rejects(
		loan.engine.up(script("break"), givenHooks()),
		(error: unknown) =>
			fails("internal")(error) &&
			error instanceof Error &&
			!error.message.includes("planted"),
	);
	loan.release();
});

test("whoever asks first gets the next free child", async (t) => {
	const { pool } = await givenPool(t);
	await until("the child is ready", () => pool.idle() === 1);
	const first = await pool.borrow(neverAborted());
	assert.equal(pool.idle(), 0);
	const order: string[] = [];
	const second = pool.borrow(neverAborted()).then((loan) => {
		order.push("second");
		return loan;
	});
	const third = pool.borrow(neverAborted()).then((loan) => {
		order.push("third");
		return loan;
	});
	first.release();
	first.release();
	(await second).release();
	(await third).release();
	assert.deepEqual(order, ["second", "third"]);
	assert.equal(pool.idle(), 1);
});

test("the wait for a child can be given up, and takes none then", async (t) => {
	const { pool } = await givenPool(t);
	const loan = await pool.borrow(neverAborted());
	const stop = new AbortController();
	const waiting = assert.rejects(pool.borrow(stop.signal), fails("cancelled"));
	stop.abort();
	await waiting;
	await assert.rejects(pool.borrow(stop.signal), fails("cancelled"));
	loan.release();
	assert.equal(pool.idle(), 1);
});

test("a child serves many runs, and a fresh one follows after the last", async (t) => {
	const { pool } = await givenPool(t, { maxRuns: 2 });
	const pids: number[] = [];
	for (let run = 0; run < 4; run++) pids.push(await runOnce(pool));
	assert.equal(pids[0], pids[1]);
	assert.equal(pids[2], pids[3]);
	assert.notEqual(pids[0], pids[2]);
	await until(
		"the first one is gone",
		() => findProcess(pids[0] ?? 0) === undefined,
	);
});

test("a child that has grown too much is replaced", async (t) => {
	const { pool } = await givenPool(t, { maxMemoryMiB: 200 });
	const grown = await runOnce(pool, "grow");
	assert.notEqual(await runOnce(pool), grown);
});

test("a child is replaced after a run that failed", async (t) => {
	const { pool } = await givenPool(t);
	const before = await runOnce(pool);
	await assert.rejects(runOnce(pool, "refuse"), fails("engine_failed"));
	assert.notEqual(await runOnce(pool), before);
});

test("a child that dies while it waits is replaced", async (t) => {
	const { pool, warnings } = await givenPool(t);
	const pid = await runOnce(pool);
	sendSignal(pid, "SIGKILL");
	await until("the pool knows", () => warnings.length > 0);
	assert.notEqual(await runOnce(pool), pid);
});

test("a child that dies in a run fails it, may be tried again, and leaves no CLI", async (t) => {
	const { pool, settings } = await givenPool(t);
	mkdirSync(join(settings.workRoot, script("").stack), { recursive: true });
	const loan = await pool.borrow(neverAborted());
	const hooks = givenHooks();
	await assert.rejects(
		loan.engine.up(script("crash"), hooks),
		fails("unavailable", true),
	);
	assert.equal(hooks.events.length, 1);
	const cli = readCli(settings.workRoot);
	await until("the CLI is gone", () => findProcess(cli) === undefined);
	await assert.rejects(
		loan.engine.up(script("pid"), givenHooks()),
		fails("unavailable", true),
	);
	loan.release();
	assert.ok((await runOnce(pool)) > 0);
});

test("a child that exits in a run fails it", async (t) => {
	const { pool } = await givenPool(t);
	await assert.rejects(runOnce(pool, "exit"), fails("unavailable", true));
});

test("an unhandled rejection fails the run and ends the child", async (t) => {
	const { pool } = await givenPool(t);
	const before = await runOnce(pool);
	await assert.rejects(runOnce(pool, "reject"), fails("engine_failed"));
	await until("the child is gone", () => findProcess(before) === undefined);
	assert.notEqual(await runOnce(pool), before);
});

test("an abort reaches the child", async (t) => {
	const { pool } = await givenPool(t);
	const loan = await pool.borrow(neverAborted());
	const stop = new AbortController();
	const hooks = givenHooks(stop.signal);
	const run = assert.rejects(
		loan.engine.up(script("obey"), hooks),
		fails("cancelled"),
	);
	await until("it runs", () => hooks.events.length === 1);
	stop.abort();
	await run;
	loan.release();
});

test("a run whose signal is aborted already is aborted", async (t) => {
	const { pool } = await givenPool(t);
	const loan = await pool.borrow(neverAborted());
	await assert.rejects(
		loan.engine.up(script("obey"), givenHooks(AbortSignal.abort())),
		fails("cancelled"),
	);
	loan.release();
});

test("a child that ignores an abort is killed after the grace, with its CLI", async (t) => {
	const { pool, settings } = await givenPool(t, {}, { graceMs: 0 });
	mkdirSync(join(settings.workRoot, script("").stack), { recursive: true });
	const loan = await pool.borrow(neverAborted());
	const stop = new AbortController();
	const hooks = givenHooks(stop.signal);
	const run = assert.rejects(
		loan.engine.up(script("ignore"), hooks),
		fails("unavailable", true),
	);
	await until("it runs", () => hooks.events.length === 1);
	const cli = readCli(settings.workRoot);
	assert.ok(findProcess(cli));
	stop.abort();
	await run;
	await until("the CLI is gone", () => findProcess(cli) === undefined);
	loan.release();
});

test("a caller that cannot take an event ends the run with its own error", async (t) => {
	const { pool } = await givenPool(t);
	const loan = await pool.borrow(neverAborted());
	await assert.rejects(
		loan.engine.up(script("obey"), {
			signal: neverAborted(),
			onEvent() {
				throw new Failure({ code: "lease_lost", message: "It is another's." });
			},
		}),
		fails("lease_lost"),
	);
	loan.release();
});

test("children that do not start make the wait fail, and may be tried again", async (t) => {
	const { pool } = await givenPool(t, { childModule: childModule("broken") });
	await assert.rejects(pool.borrow(neverAborted()), fails("unavailable", true));
});

test("closing stops the idle, ends what runs and refuses what comes", async (t) => {
	const { pool } = await givenPool(t, { size: 2 });
	await until("both are ready", () => pool.idle() === 2);
	const loan = await pool.borrow(neverAborted());
	const hooks = givenHooks();
	const run = assert.rejects(
		loan.engine.up(script("obey"), hooks),
		fails("cancelled"),
	);
	await until("it runs", () => hooks.events.length === 1);
	await pool.close();
	await run;
	await assert.rejects(pool.borrow(neverAborted()), fails("unavailable", true));
});

test("a child's arguments and variables hold neither the passphrase nor what is ours", async (t) => {
	const { pool } = await givenPool(
		t,
		{},
		{
			environment: {
				PATH: process.env.PATH,
				DATABASE_URL: "postgres://planted-url",
			},
		},
	);
	const pid = await runOnce(pool);
	const seen = ["cmdline", "environ"]
		.map((file) => readFileSync(`/proc/${pid}/${file}`, "utf8"))
		.join();
	assert.match(seen, /PATH=/);
	assert.ok(!seen.includes(passphrase) && !seen.includes("planted-url"));
});

for (const [machine, size] of [
	[{ cores: 1, memoryMiB: 512 }, 1],
	[{ cores: 2, memoryMiB: 2_048 }, 1],
	[{ cores: 2, memoryMiB: 8_192 }, 4],
	[{ cores: 16, memoryMiB: 8_192 }, 10],
	[{ cores: 16, memoryMiB: 65_536 }, 32],
] as const) {
	test(`${machine.cores} cores and ${machine.memoryMiB} MiB make a pool of ${size}`, () =>
		assert.equal(decidePoolSize(machine), size));
}

test("a child that is replaced is counted with the reason", async (t) => {
	const rise = (reason: string, work: () => Promise<unknown>) =>
		countRise("impresario_child_restarts_total", { reason }, work);
	const worn = await givenPool(t, { maxRuns: 1 });
	assert.equal(await rise("runs", () => runOnce(worn.pool)), 1);
	const grown = await givenPool(t, { maxMemoryMiB: 200 });
	assert.equal(await rise("memory", () => runOnce(grown.pool, "grow")), 1);
	const broken = await givenPool(t);
	assert.equal(
		await rise("untrusted", () =>
			runOnce(broken.pool, "refuse").catch(() => {}),
		),
		1,
	);
	const dead = await givenPool(t);
	assert.equal(
		await rise("died", async () => {
			await runOnce(dead.pool, "exit").catch(() => {});
			await until("another one took its place", () => dead.pool.idle() === 1);
		}),
		1,
	);
});

test("the engine's steps reach whoever wants to know of them", async (t) => {
	const { pool } = await givenPool(t);
	const loan = await pool.borrow(neverAborted());
	const steps: EngineStep[] = [];
	await loan.engine.up(script("steps"), {
		...givenHooks(),
		onStep: (step) => steps.push(step),
	});
	// Without anybody to tell them to, it tells none.
	await loan.engine.up(script("steps"), givenHooks());
	loan.release();
	assert.deepEqual(
		steps.map(({ name }) => name),
		["secrets"],
	);
});
