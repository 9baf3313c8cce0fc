import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import {
	type CliExit,
	findExit,
	makeCommand,
} from "../../src/engine/command.ts";
import { findProcess } from "../../src/processes.ts";
import { until } from "../support/until.ts";

const environment = { PATH: "/usr/bin:/bin" };
const cwd = import.meta.dirname;

/** A command over one of the fake CLIs, with what it told and printed. */
function given(script: string, { graceMs = 30_000 } = {}) {
	const pids: (number | undefined)[] = [];
	let printed = "";
	const command = makeCommand({
		binary: join(import.meta.dirname, "../fixtures/cli", script),
		graceMs,
		onProcess: (pid) => pids.push(pid),
	});
	return {
		pids,
		printed: () => printed,
		run: (
			args: readonly string[],
			signal?: AbortSignal,
			variables: Record<string, string> = {},
		) =>
			command.run(
				args,
				cwd,
				{ ...environment, ...variables },
				(text) => {
					printed += text;
				},
				undefined,
				signal,
			),
	};
}

async function failedExit(run: Promise<CliExit>): Promise<CliExit> {
	const error = await run.then(
		() => undefined,
		(thrown: unknown) => thrown,
	);
	const exit = findExit(error);
	assert.ok(exit, "the run did not fail with an exit");
	return exit;
}

const isGone = (pid: number) => findProcess(pid) === undefined;

test("the CLI gets its arguments and no variables but those it is given", async () => {
	const cli = given("reports.sh");
	const exit = await cli.run(["up", "--yes"], undefined, { ONE: "1" });
	assert.match(exit.stdout, /arguments: up --yes --non-interactive\n/);
	assert.match(exit.stdout, /variables: ONE PATH PULUMI_AUTOMATION_API PWD /);
	assert.equal(exit.stderr, "a complaint\n");
	assert.equal(cli.printed(), exit.stdout);
});

test("the pid is told as soon as the CLI runs, and that it is gone", async () => {
	const cli = given("reports.sh");
	const run = cli.run(["up"]);
	assert.equal(cli.pids.length, 1);
	assert.equal(typeof cli.pids[0], "number");
	await run;
	assert.deepEqual(cli.pids.slice(1), [undefined]);
});

test("a failed CLI's exit can be found on the error", async () => {
	const exit = await failedExit(
		given("reports.sh").run(["up"], undefined, { EXIT_STATUS: "4" }),
	);
	assert.equal(exit.code, 4);
	assert.equal(exit.stderr, "a complaint\n");
	assert.equal(findExit(new Error("something else")), undefined);
});

test("a new stack is not selected as the current one", async () => {
	const exit = await given("reports.sh").run(["stack", "init", "env-1"]);
	assert.match(
		exit.stdout,
		/arguments: stack init env-1 --no-select --non-interactive\n/,
	);
});

for (const [args, answer] of [
	[["stack", "select", "--stack", "env-1"], ""],
	[["stack", "output", "--json", "--show-secrets"], "{}"],
	[["stack", "history", "--json"], "[]"],
] as const) {
	test(`"${args.slice(0, 2).join(" ")}" is answered without a process`, async () => {
		const cli = given("reports.sh");
		const exit = await cli.run(args);
		assert.deepEqual([exit.code, exit.stdout, cli.pids], [0, answer, []]);
	});
}

test("a command that could carry a secret as an argument is refused", async () => {
	const cli = given("reports.sh");
	await assert.rejects(
		cli.run(["config", "set-all", "--secret", "a=hush"]),
		(error: Error) => !error.message.includes("hush"),
	);
	assert.deepEqual(cli.pids, []);
});

test("a signal that is aborted already starts nothing", async () => {
	const cli = given("reports.sh");
	await failedExit(cli.run(["up"], AbortSignal.abort()));
	assert.deepEqual(cli.pids, []);
});

test("an abort interrupts the CLI, which ends by itself", async () => {
	const cli = given("obeys.sh");
	const stop = new AbortController();
	const run = failedExit(cli.run(["up"], stop.signal));
	await until("it has started", () => cli.printed().includes("started"));
	stop.abort();
	const exit = await run;
	assert.deepEqual([exit.code, exit.signal], [8, null]);
	assert.match(exit.stdout, /interrupted/);
});

test("a CLI that ignores the interrupt is killed after the grace, with what it started", async () => {
	const cli = given("ignores.sh", { graceMs: 200 });
	const stop = new AbortController();
	const run = failedExit(cli.run(["up"], stop.signal));
	const provider = await until(
		"it has started",
		() =>
			Number(/started (\d+)/.exec(cli.printed())?.[1] ?? Number.NaN) ||
			undefined,
	);
	assert.ok(!isGone(provider));
	stop.abort();
	const exit = await run;
	assert.equal(exit.signal, "SIGKILL");
	await until("the provider is gone", () => isGone(provider));
});

test("what a CLI leaves running is ended with it", async () => {
	const cli = given("leaves.sh");
	const exit = await cli.run(["up"]);
	const provider = Number(/left (\d+)/.exec(exit.stdout)?.[1]);
	assert.ok(provider > 0);
	await until("the provider is gone", () => isGone(provider));
});

test("only the last part of what a CLI prints is kept", async () => {
	const cli = given("chats.sh");
	const exit = await cli.run(["up"]);
	assert.ok(exit.stdout.length <= 64 * 1024);
	assert.match(exit.stdout, /line 4999 \.+\n$/);
	assert.ok(cli.printed().length > 400_000);
});

test("a CLI that is not there says why it could not be started", async () => {
	const exit = await failedExit(given("no-such-file.sh").run(["up"]));
	assert.equal(exit.spawnError, "ENOENT");
});

test("a signal that outlives the run does nothing any more", async () => {
	const stop = new AbortController();
	const cli = given("reports.sh");
	await cli.run(["up"], stop.signal);
	stop.abort();
	assert.deepEqual(cli.pids.slice(1), [undefined]);
});
