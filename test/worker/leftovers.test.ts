import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import {
	findProcess,
	type ProcessRef,
	sendSignal,
} from "../../src/processes.ts";
import {
	endLeftover,
	endLeftovers,
	forgetCli,
	recordCli,
} from "../../src/worker/leftovers.ts";
import { givenFolder } from "../engine/given.ts";
import { until } from "../support/until.ts";

const dead: ProcessRef = { pid: 1, startTime: 1 };

/** A session of its own that runs until the test is over. */
function givenProcess(
	t: TestContext,
	{ command = "sleep 1000", variables = {} } = {},
): ProcessRef {
	const { pid } = spawn("/bin/sh", ["-c", command], {
		detached: true,
		stdio: "ignore",
		env: { PATH: "/usr/bin:/bin", ...variables },
	});
	const ref = pid === undefined ? undefined : findProcess(pid);
	assert.ok(ref);
	t.after(() => sendSignal(-ref.pid, "SIGKILL"));
	return ref;
}

async function given(t: TestContext) {
	const workRoot = await givenFolder(t);
	const file = join(workRoot, "env-1/cli.json");
	mkdirSync(join(workRoot, "env-1"));
	return {
		workRoot,
		file,
		write: (record: unknown) => writeFileSync(file, JSON.stringify(record)),
	};
}

const isGone = ({ pid }: ProcessRef) => findProcess(pid) === undefined;

test("a CLI whose worker is dead is ended", async (t) => {
	const { workRoot, file, write } = await given(t);
	const cli = givenProcess(t);
	write({ stack: "env-1", cli, owner: dead });
	assert.deepEqual(endLeftovers(workRoot), ["env-1"]);
	await until("it is gone", () => isGone(cli));
	assert.ok(!existsSync(file));
	assert.deepEqual(endLeftovers(workRoot), []);
});

test("another worker's CLI goes on when a worker starts beside it", async (t) => {
	const { workRoot } = await given(t);
	const cli = givenProcess(t);
	recordCli(workRoot, "env-1", cli);
	assert.deepEqual(endLeftovers(workRoot), []);
	assert.ok(!isGone(cli));
});

test("a run ends whatever else runs on its stack, whoever started it", async (t) => {
	const { workRoot } = await given(t);
	const cli = givenProcess(t);
	recordCli(workRoot, "env-1", cli);
	assert.equal(endLeftover(workRoot, "env-1"), true);
	await until("it is gone", () => isGone(cli));
	assert.equal(endLeftover(workRoot, "env-1"), false);
});

test("a stranger that was given the same pid is left alone", async (t) => {
	const { workRoot, write } = await given(t);
	const stranger = givenProcess(t);
	write({
		stack: "env-1",
		cli: { ...stranger, startTime: stranger.startTime - 1 },
		owner: dead,
	});
	assert.deepEqual(endLeftovers(workRoot), []);
	assert.ok(!isGone(stranger));
});

test("providers that outlived their CLI are ended", async (t) => {
	const { workRoot, write } = await given(t);
	const provider = join(workRoot, "provider");
	const cli = givenProcess(t, {
		command: `sleep 1000 & echo $! > ${provider}; exec sleep 1000`,
		variables: { PULUMI_CREDENTIALS_PATH: join(workRoot, "env-1") },
	});
	const pid = await until("the provider runs", () =>
		existsSync(provider)
			? Number(readFileSync(provider, "utf8")) || undefined
			: undefined,
	);
	sendSignal(cli.pid, "SIGKILL");
	await until("the CLI is gone", () => isGone(cli));
	assert.ok(findProcess(pid));
	write({ stack: "env-1", cli, owner: dead });
	assert.deepEqual(endLeftovers(workRoot), ["env-1"]);
	await until("the provider is gone", () => findProcess(pid) === undefined);
});

test("a half-written file and a missing folder are no leftovers", async (t) => {
	const { workRoot, file } = await given(t);
	writeFileSync(file, '{"cli": {"pid"');
	assert.deepEqual(endLeftovers(workRoot), []);
	assert.deepEqual(endLeftovers(join(workRoot, "nothing")), []);
	forgetCli(workRoot, "env-2");
});
