// Updates of the real CLI when all goes well, and when somebody else is at the stack.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { ComponentResource, secret } from "@pulumi/pulumi/index.js";
import { until } from "../support/until.ts";
import { type Cli, openCli } from "./cli.ts";
import {
	beginUpdate,
	completeUpdate,
	givenRun,
	givenStack,
	listIn,
	makeDoor,
	namesIn,
	openWorld,
	project,
	stackPath,
} from "./given.ts";
import { openWire } from "./wire.ts";

const world = await openWorld();
const wire = await openWire(world.backend.url);
const door = makeDoor(world.backend.url, world.token);
const opened: Cli[] = [];
after(async () => {
	for (const cli of opened) await cli.close();
	await wire.close();
	await world.close();
});

async function given(name: string, token = world.token): Promise<Cli> {
	await givenStack(door, name);
	const cli = await openCli({ url: wire.url, token, stack: name });
	opened.push(cli);
	return cli;
}

/** A component with outputs, as the CLI registers them: a begin, an end and the outputs. */
function part(name: string, outputs: object): void {
	const component = new ComponentResource("test:index:Part", name);
	Object.assign(component, outputs);
	(
		component as unknown as { registerOutputs(outputs: object): void }
	).registerOutputs(outputs);
}

const many = async () => {
	for (let index = 0; index < 80; index++) {
		part(`p${index}`, { value: index % 5 === 0 ? secret(`s${index}`) : index });
	}
};

test("eighty components are journalled, whole states are never sent, and then nothing changes", async () => {
	const cli = await given("eighty");
	wire.seen.length = 0;
	const first = await cli.up(many);
	assert.equal(first.code, 0, first.stderr);
	assert.match(first.stdout, /\+ 81 created/);
	const patches = wire.seen.filter(({ method }) => method === "PATCH");
	assert.ok(patches.length > 50);
	assert.deepEqual(
		new Set(patches.map(({ path }) => path)),
		new Set(["/journalentries"]),
	);
	assert.deepEqual(
		wire.seen.filter(({ status }) => status >= 400),
		[],
	);
	const again = await cli.up(many);
	assert.equal(again.code, 0, again.stderr);
	assert.match(again.stdout, /81 unchanged/);
	assert.equal((await namesIn(door, stackPath("eighty"))).length, 81);
});

test("two thousand five hundred secrets are kept and read", async () => {
	const cli = await given("secrets");
	const program = async () => ({
		list: Array.from({ length: 2_500 }, (_, index) => secret(`v${index}`)),
	});
	const { code, stderr } = await cli.up(program);
	assert.equal(code, 0, stderr);
	const outputs = await cli.succeed(
		"stack",
		"output",
		"list",
		"--json",
		"--show-secrets",
	);
	assert.deepEqual(
		JSON.parse(outputs),
		Array.from({ length: 2_500 }, (_, index) => `v${index}`),
	);
});

test("while an update runs, a start is a conflict and everything else works", async () => {
	const cli = await given("conflict");
	const stack = stackPath("conflict");
	await cli.up(async () => part("a", {}));
	const running = await beginUpdate(door, stack);
	const { code, stderr } = await cli.up(async () => part("a", {}));
	assert.equal(code, 1);
	assert.ok(
		stderr.includes(
			"error: [409] Conflict: Another update is currently in progress.",
		),
		stderr,
	);
	const preview = await cli.start("preview", async () => part("b", {})).exit;
	assert.equal(preview.code, 0, preview.stderr);
	await cli.succeed("stack", "output");
	assert.match(await cli.succeed("stack", "export"), /::a"/);
	await cli.succeed("stack", "history");
	await completeUpdate(door, running);
});

test("an update that is cancelled elsewhere fails at its next step, with what was done in the state", async () => {
	const cli = await given("cancelled");
	const stack = stackPath("cancelled");
	const gate = Promise.withResolvers<void>();
	const run = cli.start("up", async () => {
		part("a", {});
		await gate.promise;
		part("b", {});
	});
	await until("a is there", async () =>
		(await namesIn(door, stack)).includes("a"),
	);
	await cli.succeed("cancel", "--yes");
	gate.resolve();
	const { code, stderr, stdout } = await run.exit;
	assert.equal(code, 3);
	assert.match(stdout + stderr, /\[403\] This update has ended/);
	assert.deepEqual(await namesIn(door, stack), ["tests-cancelled", "a"]);
	const { body } = await door("GET", `${stack}/updates/latest`);
	assert.equal(body.info?.result, "failed");
	const next = await cli.up(async () => part("a", {}));
	assert.equal(next.code, 0, next.stderr);
});

test("a worker that lost its lease writes nothing more, and its successor goes on", async () => {
	const run = await givenRun(world, "qa-1");
	const open = async (token: string) => {
		const cli = await openCli({
			url: wire.url,
			token,
			stack: run.stack,
			project,
		});
		opened.push(cli);
		return cli;
	};
	const first = await open(run.token);
	await first.succeed("stack", "init", run.stack, "--no-select");
	const stack = stackPath(run.stack, project);
	const gate = Promise.withResolvers<void>();
	const late = first.start("up", async () => {
		part("a", {});
		await gate.promise;
		part("late", {});
	});
	await until("a is there", async () =>
		(await namesIn(door, stack)).includes("a"),
	);
	const next = await run.takeOver();
	const second = await open(next.token);
	const { code, stderr } = await second.up(async () => {
		part("a", {});
		part("b", {});
	});
	assert.equal(code, 0, stderr);
	gate.resolve();
	assert.equal((await late.exit).code, 3);
	assert.deepEqual((await namesIn(door, stack)).sort(), [
		"a",
		"b",
		`${project}-${run.stack}`,
	]);
	const { body } = await door("GET", `${stack}/updates`);
	assert.deepEqual(
		listIn(body.updates).map(({ result }) => result),
		["succeeded", "failed"],
	);
});

test("two runs at the same time send their own tokens", async () => {
	const runs = [
		await givenRun(world, "both-1"),
		await givenRun(world, "both-2"),
	];
	wire.seen.length = 0;
	await Promise.all(
		runs.map(async (run) => {
			const cli = await openCli({
				url: wire.url,
				token: run.token,
				stack: run.stack,
				project,
			});
			opened.push(cli);
			await cli.succeed("stack", "init", run.stack, "--no-select");
			const { code, stderr } = await cli.up(async () =>
				part("a", { x: secret("y") }),
			);
			assert.equal(code, 0, stderr);
			await cli.succeed(
				"stack",
				"output",
				"--show-secrets",
				"--stack",
				run.stack,
			);
		}),
	);
	assert.deepEqual(
		wire.seen.filter(({ status }) => status === 401 || status === 403),
		[],
	);
	assert.deepEqual(
		new Set(
			wire.seen
				.map(({ authorization }) => authorization)
				.filter((text) => text.startsWith("token ")),
		),
		new Set(runs.map(({ token }) => `token ${token}`)),
	);
});
