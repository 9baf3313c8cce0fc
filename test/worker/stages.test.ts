// The pauses between stages, over the channel between a worker and its child.
import assert from "node:assert/strict";
import { test } from "node:test";
import { noChanges } from "../../src/domain/operation.ts";
import { Failure } from "../../src/failure.ts";
import { givenHooks } from "../engine/given.ts";
import { pluginBin, pulumiBin } from "../engine/toolchain.ts";
import { childModule, givenPool, labelled, neverAborted } from "./given.ts";

const run = labelled({ script: "stages" });

test("the child goes on with the next stage when it is told to", async (t) => {
	const { pool } = await givenPool(t);
	const loan = await pool.borrow(neverAborted());
	const stages: string[] = [];
	const isOpen = Promise.withResolvers<void>();
	const reached = Promise.withResolvers<void>();
	const running = loan.engine.up(run, {
		...givenHooks(),
		async onStage({ name }) {
			stages.push(name);
			reached.resolve();
			await isOpen.promise;
		},
	});
	await reached.promise;
	assert.deepEqual(stages, ["stores"]);
	isOpen.resolve();
	await running;
	assert.deepEqual(stages, ["stores", "fronts"]);
	loan.release();
});

test("nobody is asked who did not want to be", async (t) => {
	const { pool } = await givenPool(t);
	const loan = await pool.borrow(neverAborted());
	await loan.engine.up(run, givenHooks());
	loan.release();
});

for (const [what, reason] of [
	["a failure", new Failure({ code: "workload_stuck", message: "It is." })],
	["our own mistake", new TypeError("planted")],
] as const)
	test(`${what} in a pause ends the run and comes back as it was`, async (t) => {
		const { pool } = await givenPool(t);
		const loan = await pool.borrow(neverAborted());
		const stages: string[] = [];
		await assert.rejects(
			loan.engine.up(run, {
				...givenHooks(),
				onStage({ name }) {
					stages.push(name);
					return Promise.reject(reason);
				},
			}),
			(error) => error === reason,
		);
		assert.deepEqual(stages, ["stores"]);
		loan.release();
	});

test("a run that is cancelled in a pause ends, though nobody lifts the barrier", async (t) => {
	const { pool } = await givenPool(t);
	const loan = await pool.borrow(neverAborted());
	const controller = new AbortController();
	await assert.rejects(
		loan.engine.up(run, {
			...givenHooks(controller.signal),
			onStage() {
				controller.abort();
				return new Promise(() => {});
			},
		}),
		(error) => error instanceof Failure && error.code === "cancelled",
	);
	loan.release();
});

const tiny = { childModule: childModule("tiny") };
const tools = { pulumiBin, pluginBin };
const program = (name: string) => labelled({ program: name });

test("with the real CLI, a stage that does not end well fails the run with its own reason, and what was not declared any more is not deleted", async (t) => {
	const { pool } = await givenPool(t, tiny, tools);
	const first = await pool.borrow(neverAborted());
	await first.engine.up(program("plain"), givenHooks());
	// A reason that would pass by itself if the API server gave it.
	const stuck = new Failure({
		code: "workload_stuck",
		message: "The image cannot be pulled: connection refused",
	});
	const hooks = givenHooks();
	await assert.rejects(
		first.engine.up(program("staged"), {
			...hooks,
			onStage: () => Promise.reject(stuck),
		}),
		(error) => error === stuck,
	);
	first.release();
	assert.deepEqual(hooks.events, []);
	const next = await pool.borrow(neverAborted());
	const { changes } = await next.engine.up(program("plain"), givenHooks());
	assert.deepEqual(changes, { ...noChanges, same: 2 });
	next.release();
});

test("with the real CLI, an object that cannot be applied ends the run, and its stage is never told of", async (t) => {
	const { pool } = await givenPool(t, tiny, tools);
	const loan = await pool.borrow(neverAborted());
	const run = program("asks a cluster");
	const kubeconfig = JSON.stringify({
		apiVersion: "v1",
		kind: "Config",
		// Nobody listens there.
		clusters: [{ name: "c", cluster: { server: "http://127.0.0.1:1" } }],
		users: [{ name: "u", user: {} }],
		contexts: [{ name: "c", context: { cluster: "c", user: "u" } }],
		"current-context": "c",
	});
	const target = { ...run.input.target, kubeconfig };
	let stages = 0;
	await assert.rejects(
		loan.engine.up(
			{ ...run, input: { ...run.input, target } },
			{
				...givenHooks(),
				async onStage() {
					stages++;
				},
			},
		),
		(error) => error instanceof Failure && error.code === "unavailable",
	);
	assert.equal(stages, 0);
	loan.release();
});
