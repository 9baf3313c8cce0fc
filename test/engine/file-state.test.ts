import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { makeFileState } from "../../src/engine/file-state.ts";
import { givenFolder } from "./given.ts";

const project = "impresario-maestro";
const stack = "env-1";

async function given(t: TestContext) {
	const root = await givenFolder(t);
	const state = makeFileState({ root, passphrase: "hush" }).open(
		project,
		stack,
	);
	const path = (name: string) => join(root, project, stack, ".pulumi", name);
	const file = path(`stacks/${project}/${stack}.json`);
	const write = async (where: string, text: string) => {
		await mkdir(dirname(where), { recursive: true });
		await writeFile(where, text);
	};
	return { root, state, path, file, write };
}

test("each stack has a root of its own, and the passphrase stays out of the URL", async (t) => {
	const { root, state } = await given(t);
	assert.equal(state.url, `file://${root}/${project}/${stack}?metadata=skip`);
	assert.deepEqual(state.environment, { PULUMI_CONFIG_PASSPHRASE: "hush" });
});

test("a stack exists once it has a state", async (t) => {
	const { state, file, write } = await given(t);
	assert.equal(await state.exists(), false);
	await state.unlock();
	assert.equal(await state.exists(), false);
	await write(file, "{}");
	assert.equal(await state.exists(), true);
});

test("unlocking removes a lock that a dead CLI left", async (t) => {
	const { state, path, write } = await given(t);
	const lock = path(`locks/organization/${project}/${stack}/1b2c.json`);
	await write(lock, "{}");
	await state.unlock();
	assert.ok(!existsSync(lock));
});

test("unlocking forgets what was in flight and keeps the rest of the state", async (t) => {
	const { state, file, write } = await given(t);
	const latest = { manifest: { version: "v3" }, resources: [{ urn: "urn:1" }] };
	const before = {
		version: 3,
		checkpoint: {
			stack,
			latest: { ...latest, pending_operations: [{ type: "creating" }] },
		},
	};
	await write(file, JSON.stringify(before));
	await state.unlock();
	assert.deepEqual(JSON.parse(readFileSync(file, "utf8")), {
		version: 3,
		checkpoint: { stack, latest },
	});
});

test("a state with nothing in flight is not written again", async (t) => {
	const { state, file, write } = await given(t);
	const text = `{"version": 3,  "checkpoint": {"stack": "env-1"}}`;
	await write(file, text);
	await state.unlock();
	assert.equal(readFileSync(file, "utf8"), text);
});

test("a removed stack leaves nothing, and can be removed again", async (t) => {
	const { root, state, file, write } = await given(t);
	await write(file, "{}");
	await state.remove();
	await state.remove();
	assert.ok(!existsSync(join(root, project, stack)));
});
