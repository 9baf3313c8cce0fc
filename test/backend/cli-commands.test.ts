// The plain CLI, as an operator uses it: every command that it offers on a stack.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { ComponentResource, secret } from "@pulumi/pulumi/index.js";
import { openCli } from "./cli.ts";
import { makeDoor, namesIn, openWorld, stackPath } from "./given.ts";

const world = await openWorld();
const door = makeDoor(world.backend.url, world.token);
const place = { url: world.backend.url, token: world.token };
const cli = await openCli({ ...place, stack: "dev" });
after(async () => {
	await cli.close();
	await world.close();
});

const program =
	(...names: string[]) =>
	async () => {
		for (const name of names) new ComponentResource("test:index:Part", name);
		return { plain: 1, hidden: secret("planted") };
	};
const urn = (name: string, stack = "dev") =>
	`urn:pulumi:${stack}::tests::test:index:Part::${name}`;

test("a stack that is not there ends with 6, and one that is there is not made again", async () => {
	const missing = await cli.run("stack", "select", "dev");
	assert.deepEqual(
		[missing.code, /no stack named 'dev'/.test(missing.stderr)],
		[6, true],
	);
	await cli.succeed("stack", "init", "dev");
	const again = await cli.run("stack", "init", "dev");
	assert.equal(again.code, 1);
	assert.match(again.stderr, /already exists/);
});

test("preview, up, refresh and the state commands end well", async () => {
	const preview = await cli.start("preview", program("a", "b")).exit;
	assert.equal(preview.code, 0, preview.stderr);
	const up = await cli.up(program("a", "b"));
	assert.equal(up.code, 0, up.stderr);
	assert.match(up.stdout, /\+ 3 created/);
	const again = await cli.up(program("a", "b"));
	assert.match(again.stdout, /3 unchanged/);
	await cli.succeed("refresh", "--yes", "--skip-preview");
	await cli.succeed("state", "taint", urn("a"), "--yes");
	const { body } = await door("GET", `${stackPath("dev")}/export`);
	assert.deepEqual([body.version, body.features], [4, ["taint"]]);
	await cli.succeed("state", "untaint", urn("a"), "--yes");
	await cli.succeed("state", "delete", urn("b"), "--yes");
	assert.deepEqual(await namesIn(door, stackPath("dev")), ["tests-dev", "a"]);
});

test("what is kept of a stack can be read", async () => {
	assert.equal((await cli.succeed("stack", "output", "plain")).trim(), "1");
	const outputs = await cli.succeed(
		"stack",
		"output",
		"--json",
		"--show-secrets",
	);
	assert.deepEqual(JSON.parse(outputs), { hidden: "planted", plain: 1 });
	assert.match(await cli.succeed("stack", "ls"), /dev\*? .* 2 /);
	const history: { kind: string; version: number }[] = JSON.parse(
		await cli.succeed("stack", "history", "--json"),
	);
	assert.deepEqual(
		history.map(({ kind, version }) => `${version} ${kind}`),
		["6 import", "5 import", "4 import", "3 refresh", "2 update", "1 update"],
	);
});

test("settings and tags are kept, secret ones as ciphertext", async () => {
	await cli.succeed("config", "set", "--secret", "key", "planted");
	assert.equal((await cli.succeed("config", "get", "key")).trim(), "planted");
	const settings = readFileSync(join(cli.folder, "Pulumi.dev.yaml"), "utf8");
	assert.doesNotMatch(settings, /planted/);
	await cli.up(program("a"));
	await cli.succeed("config", "refresh", "--force");
	assert.equal((await cli.succeed("config", "get", "key")).trim(), "planted");
	await cli.succeed("stack", "tag", "set", "colour", "blue");
	assert.match(await cli.succeed("stack", "tag", "ls"), /colour +blue/);
});

test("each version can be exported, and imported again", async () => {
	const file = join(cli.folder, "state.json");
	await cli.succeed("stack", "export", "--version", "2", "--file", file);
	assert.match(readFileSync(file, "utf8"), /::b"/);
	await cli.succeed("stack", "import", "--file", file);
	// Two that do not depend on one another are registered in any order.
	const names = await namesIn(door, stackPath("dev"));
	assert.deepEqual(names.sort(), ["a", "b", "tests-dev"]);
	await cli.succeed("stack", "export", "--file", file);
	const before = readFileSync(file, "utf8");
	await cli.succeed("stack", "import", "--file", file);
	await cli.succeed("stack", "export", "--file", file);
	const level = (text: string) =>
		JSON.parse(text, (key, value) => (key === "ciphertext" ? "" : value));
	assert.deepEqual(level(readFileSync(file, "utf8")), level(before));
	const { stdout } = await cli.up(program("a", "b"));
	assert.match(stdout, /3 unchanged/);
});

test("a state of another stack is readable after its import", async () => {
	const file = join(cli.folder, "other.json");
	const text = await cli.succeed("stack", "export");
	writeFileSync(file, text.replaceAll(":dev::", ":two::"));
	const two = await openCli({ ...place, stack: "two" });
	try {
		await two.succeed("stack", "init", "two");
		await two.succeed("stack", "import", "--file", file);
		const outputs = await two.succeed(
			"stack",
			"output",
			"--show-secrets",
			"--json",
		);
		assert.deepEqual(JSON.parse(outputs), { hidden: "planted", plain: 1 });
	} finally {
		await two.close();
	}
});

test("a stack can be reached under another address of the same service", async () => {
	const { port } = new URL(world.backend.url);
	const other = await openCli({
		url: `http://localhost:${port}/behind/a/proxy`,
		token: world.token,
		stack: "dev",
	});
	try {
		const outputs = await other.succeed(
			"stack",
			"output",
			"hidden",
			"--show-secrets",
			"--stack",
			"dev",
		);
		assert.equal(outputs.trim(), "planted");
	} finally {
		await other.close();
	}
});

test("secrets may be another provider's", async () => {
	const own = await openCli({
		...place,
		stack: "own",
		environment: { PULUMI_CONFIG_PASSPHRASE: "a passphrase" },
	});
	try {
		await own.succeed(
			"stack",
			"init",
			"own",
			"--secrets-provider",
			"passphrase",
		);
		const { code, stderr } = await own.up(program("a"));
		assert.equal(code, 0, stderr);
		const outputs = await own.succeed(
			"stack",
			"output",
			"hidden",
			"--show-secrets",
		);
		assert.equal(outputs.trim(), "planted");
		const { body } = await door("GET", `${stackPath("own")}/export`);
		assert.equal(body.deployment?.secrets_providers?.type, "passphrase");
	} finally {
		await own.close();
	}
});

test("there is nothing to cancel while nothing runs, and no other name to be had", async () => {
	const cancel = await cli.run("cancel", "--yes");
	assert.equal(cancel.code, 1);
	assert.match(cancel.stderr, /has never been updated/);
	const rename = await cli.run("stack", "rename", "other");
	assert.equal(rename.code, 1);
	assert.match(rename.stderr, /\[400\] A stack cannot be renamed here/);
});

test("a stack with resources is kept until they are destroyed", async () => {
	const refused = await cli.run("stack", "rm", "--yes");
	assert.equal(refused.code, 1);
	assert.match(refused.stderr, /still has resources; removal rejected/);
	await cli.succeed("destroy", "--yes", "--skip-preview");
	await cli.succeed("stack", "rm", "--yes");
	assert.equal((await door("GET", stackPath("dev"))).status, 404);
});
