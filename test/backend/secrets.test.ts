import assert from "node:assert/strict";
import { after, test } from "node:test";
import { givenStack, listIn, makeDoor, openWorld } from "./given.ts";

const world = await openWorld();
after(() => world.close());
const door = makeDoor(world.backend.url, world.token);
const stack = await givenStack(door, "secrets");

const base64 = (text: string) => Buffer.from(text).toString("base64");

async function encrypt(text: string, inStack = stack): Promise<string> {
	const { body } = await door("POST", `${inStack}/encrypt`, {
		body: { plaintext: base64(text) },
	});
	return String(body.ciphertext);
}

const decrypt = (ciphertext: string, inStack = stack) =>
	door("POST", `${inStack}/decrypt`, { body: { ciphertext } });

test("a value comes back as it was, also an empty one and bytes that are no text", async () => {
	for (const plaintext of [
		"",
		base64('"abc"'),
		"/wD+",
		base64("😀".repeat(1_000)),
	]) {
		const { body } = await door("POST", `${stack}/encrypt`, {
			body: { plaintext },
		});
		const opened = await decrypt(String(body.ciphertext));
		assert.equal(opened.body.plaintext, plaintext);
	}
});

test("thousands of values go both ways, in their order and under their own ciphertexts", async () => {
	const plaintexts = Array.from({ length: 2_500 }, (_, index) =>
		base64(`v${index % 50}`),
	);
	const sealed = await door("POST", `${stack}/batch-encrypt`, {
		body: { plaintexts },
		gzip: true,
	});
	const ciphertexts = listIn(sealed.body.ciphertexts).map(String);
	const opened = await door("POST", `${stack}/batch-decrypt`, {
		body: { ciphertexts },
		gzip: true,
	});
	const found = opened.body.plaintexts ?? {};
	assert.deepEqual(
		ciphertexts.map((ciphertext) => found[ciphertext]),
		plaintexts,
	);
});

test("the same value gives another ciphertext each time", async () => {
	assert.notEqual(await encrypt("same"), await encrypt("same"));
});

test("a ciphertext opens in its own stack only", async () => {
	const other = await givenStack(door, "secrets-other");
	const { status, body } = await decrypt(await encrypt("x"), other);
	assert.deepEqual([status, body.code], [400, 400]);
});

test("a stack that is made again under the same name opens nothing of the former", async () => {
	const path = await givenStack(door, "secrets-again");
	const ciphertext = await encrypt("x", path);
	await door("DELETE", path);
	await givenStack(door, "secrets-again");
	assert.equal((await decrypt(ciphertext, path)).status, 400);
});

test("what is altered, cut or made up is refused, one by one and in a batch", async () => {
	const good = await encrypt("x");
	const bytes = Buffer.from(good, "base64");
	bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
	for (const bad of [
		bytes.toString("base64"),
		bytes.subarray(0, 20).toString("base64"),
		base64("nonsense"),
		"",
	]) {
		const single = await decrypt(bad);
		assert.deepEqual([single.status, single.body.code], [400, 400]);
		const batch = await door("POST", `${stack}/batch-decrypt`, {
			body: { ciphertexts: [good, bad] },
		});
		assert.deepEqual([batch.status, batch.body.plaintexts], [400, undefined]);
	}
});

test("that the CLI showed secrets is acknowledged", async () => {
	for (const name of ["log-decryption", "log-batch-decryption"]) {
		const { status } = await door("POST", `${stack}/decrypt/${name}`, {
			body: { secretName: "x" },
		});
		assert.equal(status, 204);
	}
});
