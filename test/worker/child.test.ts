// A warm child with the real engine and the real CLI, and programs of components alone.
import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { EngineRun } from "../../src/domain/engine.ts";
import { noChanges } from "../../src/domain/operation.ts";
import { Failure, type FailureCode } from "../../src/failure.ts";
import {
	findProcess,
	isRunning,
	listSession,
	sendSignal,
} from "../../src/processes.ts";
import { givenFolder, givenHooks } from "../engine/given.ts";
import { pluginBin, pulumiBin } from "../engine/toolchain.ts";
import { until } from "../support/until.ts";
import {
	childModule,
	givenPool,
	labelled,
	neverAborted,
	settingsIn,
} from "./given.ts";

const tools = { pulumiBin, pluginBin };
const tiny = { childModule: childModule("tiny") };
const program = (name: string) => labelled({ program: name });

function askingCluster(server: string): EngineRun {
	const kubeconfig = JSON.stringify({
		apiVersion: "v1",
		kind: "Config",
		clusters: [{ name: "c", cluster: { server } }],
		users: [{ name: "u", user: { token: "planted-token" } }],
		contexts: [{ name: "c", context: { cluster: "c", user: "u" } }],
		"current-context": "c",
	});
	const run = program("asks a cluster");
	const target = { ...run.input.target, kubeconfig };
	return { ...run, input: { ...run.input, target } };
}

async function findFreePort(): Promise<number> {
	const server = createServer().listen(0, "127.0.0.1");
	await once(server, "listening");
	const { port } = server.address() as AddressInfo;
	server.close();
	await once(server, "close");
	return port;
}

/** An API server that takes every question and answers none. */
async function startSilentServer(t: TestContext) {
	const server = createServer().listen(0, "127.0.0.1");
	const sockets: Socket[] = [];
	t.after(() => {
		for (const socket of sockets) socket.destroy();
		server.close();
	});
	const asked = once(server, "connection");
	server.on("connection", (socket) => {
		sockets.push(socket.on("error", () => {}));
	});
	await once(server, "listening");
	const { port } = server.address() as AddressInfo;
	return { url: `http://127.0.0.1:${port}`, asked };
}

const fails =
	(code: FailureCode, message = /./) =>
	(error: unknown): boolean => {
		assert.ok(error instanceof Failure, String(error));
		assert.equal(error.code, code, error.message);
		assert.match(error.message, message);
		return true;
	};

test("a child creates, updates and destroys a stack", async (t) => {
	const { pool } = await givenPool(t, tiny, tools);
	const { engine, release } = await pool.borrow(neverAborted());
	const hooks = givenHooks();
	const created = await engine.up(program("plain"), hooks);
	assert.deepEqual(created.changes, { ...noChanges, create: 2 });
	assert.equal(
		created.outputs?.endpoints.client,
		"https://client.example.test",
	);
	assert.equal(hooks.events.length, 2);
	const again = await engine.up(program("plain"), givenHooks());
	assert.deepEqual(again.changes, { ...noChanges, same: 2 });
	const destroyed = await engine.destroy(program("plain"), givenHooks());
	assert.deepEqual(destroyed.changes, { ...noChanges, delete: 2 });
	release();
});

test("a program that throws fails in its own words without its secrets, and changes nothing", async (t) => {
	const { pool } = await givenPool(t, tiny, tools);
	const { engine, release } = await pool.borrow(neverAborted());
	await engine.up(program("plain"), givenHooks());
	const hooks = givenHooks();
	await assert.rejects(
		engine.up(program("throws"), hooks),
		fails("engine_failed", /program failed: cannot use \[secret\]$/),
	);
	assert.deepEqual(hooks.events, []);
	release();
	const next = await pool.borrow(neverAborted());
	const { changes } = await next.engine.up(program("plain"), givenHooks());
	assert.deepEqual(changes, { ...noChanges, same: 2 });
	next.release();
});

for (const name of ["rejects", "rejects later"]) {
	test(`a program that ${name} fails, ends its child and deletes nothing`, async (t) => {
		const { pool } = await givenPool(t, tiny, tools);
		const { engine, release } = await pool.borrow(neverAborted());
		await engine.up(program("plain"), givenHooks());
		const hooks = givenHooks();
		await assert.rejects(
			engine.up(program(name), hooks),
			fails("engine_failed", /nobody looked at this/),
		);
		// "two" is missing from the program, which was not whole.
		assert.deepEqual(hooks.events, []);
		await assert.rejects(
			engine.up(program("plain"), givenHooks()),
			fails("unavailable"),
		);
		release();
		const next = await pool.borrow(neverAborted());
		const { changes } = await next.engine.up(program("plain"), givenHooks());
		assert.deepEqual(changes, { ...noChanges, same: 2 });
		next.release();
	});
}

test("an abort interrupts a program that never ends", async (t) => {
	const { pool } = await givenPool(t, tiny, tools);
	const { engine, release } = await pool.borrow(neverAborted());
	const stop = new AbortController();
	const hooks = givenHooks(stop.signal);
	const run = assert.rejects(
		engine.up(program("hangs"), hooks),
		fails("cancelled"),
	);
	await until("it runs", () => hooks.events.length === 1);
	stop.abort();
	await run;
	release();
});

test("a cluster that cannot be reached may be tried again", async (t) => {
	const { pool } = await givenPool(t, tiny, tools);
	const { engine, release } = await pool.borrow(neverAborted());
	const hooks = givenHooks();
	await assert.rejects(
		engine.up(askingCluster(`http://127.0.0.1:${await findFreePort()}`), hooks),
		(error: unknown) =>
			fails(
				"unavailable",
				/v1\/Namespace acme-qa-1-x7k2: .*connection refused/,
			)(error) &&
			error instanceof Failure &&
			error.retryable,
	);
	assert.deepEqual(
		hooks.events.map(({ type }) => type),
		["resource.failed"],
	);
	release();
});

test("a provider that does not come back from the cluster is ended after the grace", async (t) => {
	const silent = await startSilentServer(t);
	const { pool, settings } = await givenPool(t, tiny, {
		...tools,
		graceMs: 500,
	});
	const { engine, release } = await pool.borrow(neverAborted());
	const stop = new AbortController();
	const run = assert.rejects(
		engine.up(askingCluster(silent.url), givenHooks(stop.signal)),
		fails("cancelled"),
	);
	await silent.asked;
	const { cli } = JSON.parse(
		readFileSync(
			join(settings.workRoot, program("").stack, "cli.json"),
			"utf8",
		),
	);
	const members = listSession(cli.pid);
	assert.ok(members.length >= 2, "the provider is not in the CLI's session");
	stop.abort();
	await run;
	assert.deepEqual(members.filter(isRunning), []);
	release();
});

test("a killed child takes its CLI with it, and the next one goes on", async (t) => {
	const { pool, settings } = await givenPool(t, tiny, tools);
	const { engine, release } = await pool.borrow(neverAborted());
	const hooks = givenHooks();
	const run = assert.rejects(
		engine.up(program("hangs"), hooks),
		fails("unavailable"),
	);
	await until("it runs", () => hooks.events.length === 1);
	const { cli, owner } = JSON.parse(
		readFileSync(
			join(settings.workRoot, program("").stack, "cli.json"),
			"utf8",
		),
	);
	sendSignal(owner.pid, "SIGKILL");
	await run;
	await until(
		"nothing of the CLI runs",
		() => listSession(cli.pid).length === 0,
	);
	release();
	const next = await pool.borrow(neverAborted());
	const outcome = await next.engine.up(program("plain"), givenHooks());
	// The CLI may have written its state between the child's end and its own.
	assert.equal(outcome.changes.create + outcome.changes.same, 2);
	next.release();
});

test("nothing is left when the parent is killed in a run", async (t) => {
	const settings = settingsIn(await givenFolder(t), tools);
	const parent = fork(childModule("parent"), [], {
		serialization: "advanced",
		stdio: ["ignore", 2, 2, "ipc"],
	});
	t.after(() => parent.kill("SIGKILL"));
	const messages: unknown[] = [];
	parent.on("message", (message) => messages.push(message));
	parent.send({ settings, run: program("hangs") });
	await until("it runs", () => messages.includes("event"));
	// The first CLI was that of `stack init`.
	const { child, cli } = messages.findLast(
		(message) => typeof message === "object",
	) as { child: number; cli: number };
	assert.ok(findProcess(child) && findProcess(cli));
	parent.kill("SIGKILL");
	await until("the child is gone", () => findProcess(child) === undefined);
	await until("the CLI is gone", () => listSession(cli).length === 0);
	const file = join(settings.workRoot, program("").stack, "cli.json");
	assert.ok(!existsSync(file));
});
