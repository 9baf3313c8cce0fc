// The engine over this backend, as a worker's child has it: a run's token, and the owner's notice afterwards.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { ComponentResource, secret } from "@pulumi/pulumi/index.js";
import { describeClient } from "../../src/backend/client.ts";
import type { BlueprintOutputs } from "../../src/domain/blueprint.ts";
import { noChanges } from "../../src/domain/operation.ts";
import { makeEngine } from "../../src/engine/pulumi.ts";
import { openServiceState } from "../../src/engine/service-state.ts";
import { Failure } from "../../src/failure.ts";
import { sendSignal } from "../../src/processes.ts";
import {
	givenRun as givenEngineRun,
	givenHooks,
	outputs,
} from "../engine/given.ts";
import { pluginBin, pulumiBin } from "../engine/toolchain.ts";
import { overlookTermination } from "../support/termination.ts";
import { until } from "../support/until.ts";
import { givenRun, makeDoor, openWorld, project, stackPath } from "./given.ts";

// Within the run of the tests: the runner adds its own listeners when it begins.
before(overlookTermination);
const world = await openWorld();
const folder = await mkdtemp(join(tmpdir(), "impresario-engine-state-"));
after(async () => {
	await world.close();
	await rm(folder, { recursive: true, force: true });
});

type Program = () => Promise<BlueprintOutputs>;
const declare =
	(...names: string[]): Program =>
	async () => {
		for (const name of names) new ComponentResource("test:index:Part", name);
		return { ...outputs, hidden: secret("planted") } as BlueprintOutputs;
	};

/** A worker's child with a run of its own; what it runs can be changed. */
function open(token: string, stack: string) {
	const current: { program: Program; pid?: number } = { program: declare() };
	const engine = makeEngine({
		pulumiBin,
		pluginBin,
		pulumiHome: join(folder, "home"),
		workRoot: join(folder, "work"),
		environment: process.env,
		findProgram: () => () => current.program,
		onProcess: (_, pid) => {
			if (pid !== undefined) current.pid = pid;
		},
		state: {
			open: (run) =>
				openServiceState({
					...run,
					state: {
						url: world.backend.url,
						environment: describeClient({
							url: world.backend.url,
							token,
							credentialsPath: join(folder, "work", run.stack),
						}),
					},
				}),
		},
	});
	return { engine, current, run: givenEngineRun({ project, stack }) };
}

test("a stack is created, updated, and destroyed with all that is kept of it", async () => {
	const order = await givenRun(world, "qa-1");
	const { engine, current, run } = open(order.token, order.stack);
	const door = makeDoor(world.backend.url, order.token);
	current.program = declare("one", "two");
	const created = await engine.up(run, givenHooks());
	assert.deepEqual(created.changes, { ...noChanges, create: 2 });
	current.program = declare("two", "three");
	const { changes } = await engine.up(run, givenHooks());
	assert.deepEqual(changes, { ...noChanges, create: 1, delete: 1, same: 1 });
	const destroyed = await engine.destroy(run, givenHooks());
	assert.deepEqual(destroyed.changes, { ...noChanges, delete: 2 });
	assert.equal(
		(await door("GET", stackPath(order.stack, project))).status,
		404,
	);
	assert.deepEqual(
		(await engine.destroy(run, givenHooks())).changes,
		noChanges,
	);
	assert.equal(await world.backend.endUpdate(order.lease), 0);
});

test("after its CLI was killed the notice frees the stack, and the next owner goes on", async () => {
	const order = await givenRun(world, "qa-2");
	const first = open(order.token, order.stack);
	first.current.program = async () => {
		await declare("one")();
		return new Promise(() => {});
	};
	const hooks = givenHooks();
	const killed = assert.rejects(first.engine.up(first.run, hooks));
	await until("the first resource is there", () => hooks.events.length === 1);
	assert.ok(first.current.pid !== undefined);
	sendSignal(first.current.pid, "SIGKILL");
	await killed;
	assert.equal(await world.backend.endUpdate(order.lease), 1);
	const next = await order.takeOver();
	const second = open(next.token, order.stack);
	second.current.program = declare("one", "two");
	const { changes } = await second.engine.up(second.run, givenHooks());
	assert.deepEqual(changes, { ...noChanges, create: 1, same: 1 });
});

test("an owner that has lost its lease cannot begin", async () => {
	const order = await givenRun(world, "qa-3");
	const { engine, run } = open(order.token, order.stack);
	await order.takeOver();
	await assert.rejects(
		engine.up(run, givenHooks()),
		(error: unknown) => error instanceof Failure && error.code === "lease_lost",
	);
});
