import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { after, test } from "node:test";
import { choosePorts, isPortFree } from "../../src/sandbox/ports.ts";
import { makeFolder } from "./given.ts";

const folder = makeFolder();
after(() => folder.remove());
const path = join(folder.dir, "ports.json");

test("each name gets a free port of its own, and the same one at the next start", async () => {
	const first = await choosePorts(path, ["a", "b", "c"]);
	assert.equal(new Set(Object.values(first)).size, 3);
	assert.deepEqual(await choosePorts(path, ["a", "b", "c"]), first);
});

test("a port that somebody else took meanwhile is replaced, the others stay", async () => {
	const before = await choosePorts(path, ["a", "b"]);
	const stranger = createServer();
	await new Promise<void>((fulfil) =>
		stranger.listen(before.a, "127.0.0.1", fulfil),
	);
	assert.equal(await isPortFree(before.a), false);
	const after = await choosePorts(path, ["a", "b"]);
	assert.notEqual(after.a, before.a);
	assert.equal(after.b, before.b);
	stranger.close();
});

test("a file that a crash cut short counts as none", async () => {
	writeFileSync(path, '{"a": 20');
	const { a } = await choosePorts(path, ["a"]);
	assert.ok(await isPortFree(a));
});
