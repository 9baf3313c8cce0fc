// The real CLI on a bad wire, and killed: what was acknowledged is kept, and the stack is never lost.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { ComponentResource, secret } from "@pulumi/pulumi/index.js";
import { sendSignal } from "../../src/processes.ts";
import { until } from "../support/until.ts";
import { type Cli, openCli } from "./cli.ts";
import {
	givenRun,
	givenStack,
	makeDoor,
	namesIn,
	openWorld,
	project,
	stackPath,
} from "./given.ts";
import { openWire, type Trick, type Wire } from "./wire.ts";

const world = await openWorld();
const door = makeDoor(world.backend.url, world.token);
const opened: { close(): Promise<void> }[] = [];
after(async () => {
	for (const one of opened) await one.close();
	await world.close();
});

const parts =
	(...names: string[]) =>
	async () => {
		for (const name of names) new ComponentResource("test:index:Part", name);
		return { hidden: secret("planted") };
	};
const names = Array.from({ length: 12 }, (_, index) => `r${index}`);
/** Never comes to its end. */
const hanging =
	(...names: string[]) =>
	async () => {
		await parts(...names)();
		return new Promise<never>(() => {});
	};

async function given(
	name: string,
	url = world.backend.url,
): Promise<{ cli: Cli; wire: Wire; stack: string }> {
	const stack = await givenStack(door, name);
	const wire = await openWire(url);
	const cli = await openCli({ url: wire.url, token: world.token, stack: name });
	opened.push(cli, wire);
	return { cli, wire, stack };
}

/** A trick for the n-th batch alone. */
const atBatch = (wire: Wire, n: number, trick: Trick) => {
	let count = 0;
	wire.trick = ({ path }) =>
		path === "/journalentries" && ++count === n ? trick : undefined;
};

test("a first batch that is refused ends the update with an error and a readable stack", async () => {
	const { cli, wire, stack } = await given("first");
	atBatch(wire, 1, { change: (body) => body.replace('"kind":6', '"kind":66') });
	const { code } = await cli.up(parts("a"));
	assert.notEqual(code, 0);
	const batches = wire.seen.filter(({ path }) => path === "/journalentries");
	assert.deepEqual(
		[batches[0]?.status, new Set(batches.slice(1).map(({ status }) => status))],
		[400, new Set([403])],
	);
	wire.trick = () => undefined;
	await cli.succeed("stack", "output");
	const next = await cli.up(parts("a"));
	assert.equal(next.code, 0, next.stderr);
	assert.equal((await door("GET", stack)).body.version, 2);
});

for (const [what, trick] of [
	["cut after the batch was stored", { loseReply: true }],
	["answered 500 before it was", { answer: 500 }],
] as const) {
	test(`a batch that was ${what} is sent again, and nothing is doubled`, async () => {
		const { cli, wire, stack } = await given(what.split(" ")[0] ?? "");
		atBatch(wire, 3, trick);
		const { code, stderr } = await cli.up(parts(...names));
		assert.equal(code, 0, stderr);
		assert.equal((await namesIn(door, stack)).length, names.length + 1);
		const next = await cli.up(parts(...names));
		assert.match(next.stdout, /13 unchanged/);
	});
}

test("batches that are too large are halved", async () => {
	const small = await world.open({ maxBodyBytes: 3_000 });
	const { cli, wire, stack } = await given("halved", small.url);
	const slow = await openCli({
		url: wire.url,
		token: world.token,
		stack: "halved",
		environment: { PULUMI_JOURNALING_BATCH_PERIOD: "200" },
	});
	opened.push(slow);
	const { code, stderr } = await slow.up(parts(...names));
	assert.equal(code, 0, stderr);
	assert.ok(wire.seen.some(({ status }) => status === 413));
	assert.equal((await namesIn(door, stack)).length, names.length + 1);
	assert.match((await cli.up(parts(...names))).stdout, /13 unchanged/);
});

test("a killed CLI leaves what it did; after its owner's notice the next one goes on", async () => {
	const run = await givenRun(world, "qa-1");
	const place = {
		url: world.backend.url,
		token: run.token,
		stack: run.stack,
		project,
	};
	const cli = await openCli(place);
	opened.push(cli);
	await cli.succeed("stack", "init", run.stack, "--no-select");
	const stack = stackPath(run.stack, project);
	for (const count of [2, 5]) {
		const killed = cli.start("up", hanging(...names.slice(0, count)));
		await until("its resources are there", async () => {
			return (await namesIn(door, stack)).length === count + 1;
		});
		sendSignal(-killed.pid(), "SIGKILL");
		assert.equal((await killed.exit).code, null);
		assert.notEqual((await door("GET", stack)).body.activeUpdate, "");
		assert.equal(await world.backend.endUpdate(run.lease), 1);
	}
	const { code, stderr, stdout } = await cli.up(parts(...names));
	assert.equal(code, 0, stderr);
	assert.match(stdout, /\+ 7 created/);
	assert.doesNotMatch(stdout + stderr, /pending operations/);
});

test("an interrupted CLI completes its update as failed and keeps what is there", async () => {
	const { cli, stack } = await given("interrupted");
	const run = cli.start("up", hanging("a"));
	await until("a is there", async () =>
		(await namesIn(door, stack)).includes("a"),
	);
	sendSignal(run.pid(), "SIGINT");
	assert.equal((await run.exit).code, 1);
	const { body } = await door("GET", stack);
	assert.equal(body.activeUpdate, "");
	const latest = await door("GET", `${stack}/updates/latest`);
	assert.equal(latest.body.info?.result, "failed");
	const next = await cli.up(parts("a", "b"));
	assert.equal(next.code, 0, next.stderr);
});

test("a start whose reply is lost leaves an update that its owner's notice ends", async () => {
	const run = await givenRun(world, "qa-2");
	const wire = await openWire(world.backend.url);
	const cli = await openCli({
		url: wire.url,
		token: run.token,
		stack: run.stack,
		project,
	});
	opened.push(cli, wire);
	await cli.succeed("stack", "init", run.stack, "--no-select");
	wire.trick = ({ method, path, body }) =>
		method === "POST" && path === "" && body.includes("journalVersion")
			? { loseReply: true }
			: undefined;
	assert.notEqual((await cli.up(parts("a"))).code, 0);
	wire.trick = () => undefined;
	assert.match(
		(await cli.up(parts("a"))).stderr,
		/Another update is currently/,
	);
	assert.equal(await world.backend.endUpdate(run.lease), 1);
	const next = await cli.up(parts("a"));
	assert.equal(next.code, 0, next.stderr);
});

test("an export that fails after the start leaves an update that its owner's notice ends", async () => {
	const run = await givenRun(world, "qa-3");
	const wire = await openWire(world.backend.url);
	const cli = await openCli({
		url: wire.url,
		token: run.token,
		stack: run.stack,
		project,
	});
	opened.push(cli, wire);
	await cli.succeed("stack", "init", run.stack, "--no-select");
	wire.trick = ({ path }) => (path === "/export" ? { answer: 404 } : undefined);
	assert.notEqual((await cli.up(parts("a"))).code, 0);
	wire.trick = () => undefined;
	await world.backend.endUpdate(run.lease);
	assert.equal((await cli.up(parts("a"))).code, 0);
});
