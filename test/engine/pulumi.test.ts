// The real CLI, with programs of components alone: no provider and no cluster is needed.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { chmod, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { before, type TestContext, test } from "node:test";
import { ComponentResource, secret } from "@pulumi/pulumi/index.js";
import type { BlueprintOutputs, Pace } from "../../src/domain/blueprint.ts";
import { noChanges } from "../../src/domain/operation.ts";
import { type EngineOptions, makeEngine } from "../../src/engine/pulumi.ts";
import { Failure, type FailureCode } from "../../src/failure.ts";
import { findProcess, sendSignal } from "../../src/processes.ts";
import { makeFileState } from "../support/file-state.ts";
import { overlookTermination } from "../support/termination.ts";
import { until } from "../support/until.ts";
import { givenFolder, givenHooks, givenRun, outputs } from "./given.ts";
import { pluginBin, pulumiBin } from "./toolchain.ts";

before(overlookTermination);

type Program = (pace?: Pace) => Promise<BlueprintOutputs>;

const part = (name: string) => new ComponentResource("test:index:Part", name);
const declare =
	(...names: string[]): Program =>
	async () => {
		for (const name of names) part(name);
		return outputs;
	};
/** Never comes to its end. */
const hanging: Program = async () => {
	part("one");
	return new Promise(() => {});
};

/** An engine whose program can be changed, over a CLI that writes down how it is called. */
async function given(t: TestContext, options: Partial<EngineOptions> = {}) {
	const folder = await givenFolder(t);
	const calls = join(folder, "calls");
	const cli = join(folder, "pulumi");
	await writeFile(
		cli,
		`#!/bin/sh\necho "$*" >> ${calls}\nexec ${pulumiBin} "$@"\n`,
	);
	await chmod(cli, 0o755);
	const current = { program: declare("one") };
	const pids: number[] = [];
	const engine = makeEngine({
		pulumiBin: cli,
		pluginBin,
		pulumiHome: join(folder, "home"),
		state: makeFileState({
			root: join(folder, "state"),
			passphrase: "planted-passphrase",
		}),
		workRoot: join(folder, "work"),
		environment: process.env,
		findProgram: () => (_input, pace) => () => current.program(pace),
		onProcess: (_, pid) => {
			if (pid !== undefined) pids.push(pid);
		},
		...options,
	});
	return {
		folder,
		engine,
		current,
		pids,
		/** The CLI's calls since the last question. */
		async calls() {
			const text = readFileSync(calls, "utf8");
			await writeFile(calls, "");
			return text.trim().split("\n");
		},
	};
}

const fails =
	(code: FailureCode, message = /./) =>
	(error: unknown): boolean => {
		assert.ok(error instanceof Failure, String(error));
		assert.equal(error.code, code, error.message);
		assert.match(error.message, message);
		return true;
	};

test("a stack is created, updated and destroyed, with one CLI process for each update", async (t) => {
	const { engine, current, calls, folder } = await given(t);
	const run = givenRun();

	current.program = declare("one", "two");
	const created = givenHooks();
	assert.deepEqual(await engine.up(run, created), {
		changes: { ...noChanges, create: 2 },
		outputs,
	});
	assert.deepEqual(
		created.events.map(({ type }) => type),
		["resource.created", "resource.created"],
	);
	// A new stack takes one more.
	assert.deepEqual(
		(await calls()).map((call) => call.split(" ")[0]),
		["stack", "up"],
	);

	const again = givenHooks();
	assert.deepEqual(await engine.up(run, again), {
		changes: { ...noChanges, same: 2 },
		outputs,
	});
	assert.deepEqual(again.events, []);
	assert.equal((await calls()).length, 1);

	current.program = declare("two", "three");
	const changed = givenHooks();
	const { changes } = await engine.up(run, changed);
	assert.deepEqual(changes, { ...noChanges, create: 1, delete: 1, same: 1 });
	assert.equal((await calls()).length, 1);

	const destroyed = givenHooks();
	assert.deepEqual(await engine.destroy(run, destroyed), {
		changes: { ...noChanges, delete: 2 },
		outputs: null,
	});
	assert.equal((await calls()).length, 1);
	assert.ok(!existsSync(join(folder, "state", run.project, run.stack)));
});

/** Declares the second part once the first one's stage has ended. */
const staged: Program = async (pace) => {
	part("one");
	await pace?.({ name: "stores", workloads: [] });
	part("two");
	return outputs;
};

test("a program goes on when its stage has ended, and not before", async (t) => {
	const { engine, current } = await given(t);
	current.program = staged;
	const hooks = givenHooks();
	let isHeld = true;
	const { changes } = await engine.up(givenRun(), {
		...hooks,
		async onStage({ name }) {
			assert.equal(name, "stores");
			await until("the first part is there", () => hooks.events.length === 1);
			isHeld = false;
		},
	});
	assert.equal(isHeld, false);
	assert.deepEqual(changes, { ...noChanges, create: 2 });
});

test("a run that is cancelled in a pause ends", async (t) => {
	const { engine, current } = await given(t);
	current.program = staged;
	const controller = new AbortController();
	await assert.rejects(
		engine.up(givenRun(), {
			...givenHooks(controller.signal),
			onStage() {
				controller.abort();
				return new Promise(() => {});
			},
		}),
		fails("cancelled"),
	);
});

test("destroying a stack that does not exist succeeds without a process", async (t) => {
	const { engine, pids } = await given(t);
	assert.deepEqual(await engine.destroy(givenRun(), givenHooks()), {
		changes: noChanges,
		outputs: null,
	});
	assert.deepEqual(pids, []);
});

test("a stack can be created again after it was destroyed", async (t) => {
	const { engine } = await given(t);
	for (let round = 0; round < 2; round++) {
		const { changes } = await engine.up(givenRun(), givenHooks());
		assert.equal(changes.create, 1);
		await engine.destroy(givenRun(), givenHooks());
	}
});

test("an abort interrupts the update, and the next one goes on from what was recorded", async (t) => {
	const { engine, current, pids } = await given(t);
	current.program = hanging;
	const stop = new AbortController();
	const hooks = givenHooks(stop.signal);
	const run = assert.rejects(engine.up(givenRun(), hooks), fails("cancelled"));
	await until("the first resource is there", () => hooks.events.length === 1);
	stop.abort();
	await run;
	const pid = pids.at(-1) ?? 0;
	assert.equal(findProcess(pid), undefined);
	current.program = declare("one", "two");
	const { changes } = await engine.up(givenRun(), givenHooks());
	assert.deepEqual(changes, { ...noChanges, create: 1, same: 1 });
});

test("an update after the CLI was killed in the middle of one works", async (t) => {
	const { engine, current, pids } = await given(t);
	current.program = hanging;
	const hooks = givenHooks();
	const run = assert.rejects(
		engine.up(givenRun(), hooks),
		fails("unavailable", /SIGKILL/),
	);
	await until("the first resource is there", () => hooks.events.length === 1);
	sendSignal(pids.at(-1) ?? 0, "SIGKILL");
	await run;
	current.program = declare("one", "two");
	const { outputs: found } = await engine.up(givenRun(), givenHooks());
	assert.deepEqual(found, outputs);
	await engine.destroy(givenRun(), givenHooks());
});

test("a destroy after the CLI was killed in the middle of a create works", async (t) => {
	const { engine, current, pids } = await given(t);
	current.program = hanging;
	const hooks = givenHooks();
	const run = assert.rejects(
		engine.up(givenRun(), hooks),
		fails("unavailable"),
	);
	await until("the first resource is there", () => hooks.events.length === 1);
	sendSignal(pids.at(-1) ?? 0, "SIGKILL");
	await run;
	current.program = declare("one");
	const outcome = await engine.destroy(givenRun(), givenHooks());
	assert.equal(outcome.outputs, null);
});

test("a signal that is aborted already starts nothing", async (t) => {
	const { engine, pids } = await given(t);
	for (const verb of ["up", "destroy"] as const) {
		await assert.rejects(
			engine[verb](givenRun(), givenHooks(AbortSignal.abort())),
			fails("cancelled"),
		);
	}
	assert.deepEqual(pids, []);
});

test("a caller that cannot take an event ends the run with its own error", async (t) => {
	const { engine, current } = await given(t);
	current.program = hanging;
	await assert.rejects(
		engine.up(givenRun(), {
			signal: new AbortController().signal,
			onEvent() {
				throw new Failure({ code: "lease_lost", message: "It is another's." });
			},
		}),
		fails("lease_lost"),
	);
});

test("one update runs at a time in a process", async (t) => {
	const first = await given(t);
	const second = await given(t);
	const running = first.engine.up(givenRun(), givenHooks());
	await assert.rejects(
		second.engine.up(givenRun({ stack: "env-other" }), givenHooks()),
		fails("conflict"),
	);
	await running;
	await second.engine.up(givenRun({ stack: "env-other" }), givenHooks());
});

test("a CLI that is not there is not_set_up", async (t) => {
	const { engine } = await given(t, { pulumiBin: "/no/such/pulumi" });
	await assert.rejects(
		engine.up(givenRun(), givenHooks()),
		fails("not_set_up", /could not be started \(ENOENT\)/),
	);
});

test("a blueprint version that is not in the catalogue is not_set_up", async (t) => {
	const { engine, pids } = await given(t, { findProgram: () => undefined });
	await assert.rejects(
		engine.up(givenRun(), givenHooks()),
		fails("not_set_up", /no program maestro@1\.1\.0/),
	);
	assert.deepEqual(pids, []);
});

test("a backend that is not ours is refused before anything runs", async (t) => {
	const { engine, pids } = await given(t, {
		state: {
			open: () => ({
				url: "https://backend.test",
				environment: {},
				exists: async () => false,
				create: async () => {},
				unlock: async () => {},
				remove: async () => {},
			}),
		},
	});
	await assert.rejects(
		engine.up(givenRun(), givenHooks()),
		fails("not_set_up"),
	);
	assert.deepEqual(pids, []);
});

test("secrets are found in no argument, no event and no file", async (t) => {
	const { engine, current, calls, folder } = await given(t);
	const run = givenRun();
	const planted = run.input.secrets.MONGODB_PASSWORD;
	current.program = async () => {
		part("one");
		return { ...outputs, password: secret(planted) } as BlueprintOutputs;
	};
	const hooks = givenHooks();
	await engine.up(run, hooks);
	const seen = JSON.stringify([hooks.events, await calls()]);
	assert.ok(!seen.includes(planted) && !seen.includes("planted-passphrase"));
	const files = await readAll(folder);
	assert.ok(files.length > 5);
	for (const { path, text } of files) {
		assert.ok(!text.includes(planted), path);
		assert.ok(!text.includes("planted-passphrase"), path);
	}
});

async function readAll(folder: string) {
	const entries = await readdir(folder, {
		recursive: true,
		withFileTypes: true,
	});
	return entries
		.filter((entry) => entry.isFile())
		.map((entry) => join(entry.parentPath, entry.name))
		.map((path) => ({ path, text: readFileSync(path, "utf8") }));
}

test("a repository above the data is not read", async (t) => {
	// The repository of this file.
	const folder = await mkdtemp(join(import.meta.dirname, ".engine-"));
	t.after(() => rm(folder, { recursive: true, force: true }));
	const { engine } = await given(t, {
		workRoot: join(folder, "work"),
		state: makeFileState({ root: join(folder, "state"), passphrase: "p" }),
	});
	await engine.up(givenRun(), givenHooks());
	for (const { path, text } of await readAll(join(folder, "state"))) {
		assert.doesNotMatch(text, /"git\./, path);
	}
});

test("a secret in the state can still be opened when the settings file is lost", async (t) => {
	const { engine, current, folder } = await given(t);
	current.program = async () =>
		({ ...outputs, password: secret("planted-value") }) as BlueprintOutputs;
	await engine.up(givenRun(), givenHooks());
	await rm(join(folder, "work"), { recursive: true });
	await engine.up(givenRun(), givenHooks());
	await engine.destroy(givenRun(), givenHooks());
});
