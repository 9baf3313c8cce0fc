import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { after, test } from "node:test";
import { listEntries } from "../../src/store/state-journal.ts";
import { until } from "../support/until.ts";
import {
	beginUpdate,
	completeUpdate,
	created,
	type Door,
	entry,
	givenStack,
	makeDoor,
	namesIn,
	openWorld,
	type Running,
	resource,
	sendEntries,
} from "./given.ts";

const world = await openWorld();
after(() => world.close());
const door = makeDoor(world.backend.url, world.token);

const send = (update: Running, entries: unknown, to: Door = door) =>
	sendEntries(to, update, entries);
const complete = (update: Running, status = "succeeded") =>
	completeUpdate(door, update, status);

async function given(name: string) {
	const stack = await givenStack(door, name);
	return { stack, update: await beginUpdate(door, stack) };
}

test("what a batch says is in the state at once, and for good", async () => {
	const { stack, update } = await given("plain");
	assert.equal((await send(update, created(1, 1, "a"))).status, 204);
	assert.deepEqual(await namesIn(door, stack), ["a"]);
	assert.equal((await send(update, created(3, 2, "b"))).status, 204);
	assert.equal((await complete(update)).status, 204);
	assert.deepEqual(await namesIn(door, stack), ["a", "b"]);
});

test("an empty batch and no batch at all are fine", async () => {
	const { update } = await given("empty");
	for (const body of [{ entries: [] }, { entries: null }, {}]) {
		const path = `${update.path}/journalentries`;
		const { status } = await door("PATCH", path, { lease: update.lease, body });
		assert.equal(status, 204);
	}
	assert.equal((await complete(update)).status, 204);
});

test("a batch that is sent again changes nothing, also once with other entries", async () => {
	const { stack, update } = await given("again");
	const [a, b] = [created(1, 1, "a"), created(3, 2, "b")];
	for (const batch of [a, a, [...a, ...b], [...b, ...b]]) {
		assert.equal((await send(update, batch)).status, 204);
	}
	assert.equal((await complete(update)).status, 204);
	assert.deepEqual(await namesIn(door, stack), ["a", "b"]);
});

test("batches may come in any order", async () => {
	const { stack, update } = await given("shuffled");
	const all = [
		...created(1, 1, "a"),
		...created(3, 2, "b"),
		...created(5, 3, "c"),
	];
	for (const one of all.toReversed()) await send(update, [one]);
	assert.equal((await complete(update)).status, 204);
	assert.deepEqual(await namesIn(door, stack), ["a", "b", "c"]);
});

const refused: Record<string, unknown> = {
	"an unknown kind": [entry(1, { kind: 10 })],
	"another version": [entry(1, { version: 2 })],
	"no number": [{ ...entry(1), sequenceID: undefined }],
	"a number that is none": [entry(1, { sequenceID: 1.5 })],
	"a state without a URN": [entry(1, { kind: 1, state: { type: "x" } })],
	"a list that is none": "entries",
};
for (const [what, entries] of Object.entries(refused)) {
	test(`after ${what} nothing of the update is believed, and its stack is free at its end`, async () => {
		const { stack, update } = await given(
			`refused-${what.replaceAll(" ", "-")}`,
		);
		await send(update, created(1, 1, "kept"));
		const first = await send(update, entries);
		assert.deepEqual([first.status, first.body.code], [400, 400]);
		const later = await send(update, created(9, 2, "late"));
		assert.deepEqual([later.status, later.body.code], [403, 403]);
		const end = await complete(update);
		assert.deepEqual([end.status, end.body.code], [409, 409]);
		assert.deepEqual(await namesIn(door, stack), ["kept"]);
		const { body } = await door("GET", `${stack}/updates/latest`);
		assert.equal(body.info?.result, "failed");
		await beginUpdate(door, stack);
	});
}

test("a body that is no JSON is a final refusal too", async () => {
	const { update } = await given("broken");
	const path = `${update.path}/journalentries`;
	const broken = await door("PATCH", path, { lease: update.lease, body: "{" });
	assert.equal(broken.status, 400);
	assert.equal((await send(update, [])).status, 403);
});

test("a batch that is too large is no final refusal: its halves are taken", async () => {
	const small = await world.open({ maxBodyBytes: 4_000 });
	const narrow = makeDoor(small.url, world.token);
	const { stack, update } = await given("large");
	const all = Array.from({ length: 16 }, (_, index) =>
		created(index * 2 + 1, index + 1, `r${index}`),
	).flat();
	const whole = await send(update, all, narrow);
	assert.deepEqual([whole.status, whole.body.code], [413, 413]);
	for (let at = 0; at < all.length; at += 4) {
		const part = await send(update, all.slice(at, at + 4), narrow);
		assert.equal(part.status, 204);
	}
	assert.equal((await complete(update)).status, 204);
	assert.equal((await namesIn(door, stack)).length, 16);
});

test("a batch whose connection broke off is no final refusal", async () => {
	const { stack, update } = await given("broken-off");
	const { hostname, port } = new URL(world.backend.url);
	const socket = connect(Number(port), hostname);
	await once(socket, "connect");
	socket.write(
		[
			`PATCH ${update.path}/journalentries HTTP/1.1`,
			`Host: ${hostname}`,
			`Authorization: update-token ${update.lease}`,
			"Content-Length: 1000",
			"",
			'{"entries":[',
		].join("\r\n"),
	);
	await until("its head was read", async () => socket.bytesWritten > 100);
	socket.destroy();
	await once(socket, "close");
	// Behind it on the server's side: by now the broken one was answered, to nobody.
	for (const first of [1, 3]) {
		const { status } = await send(update, created(first, first, `r${first}`));
		assert.equal(status, 204);
	}
	assert.equal((await complete(update)).status, 204);
	assert.deepEqual(await namesIn(door, stack), ["r1", "r3"]);
});

test("an update with a gap does not count as succeeded, and its journal is kept", async () => {
	const { stack, update } = await given("gap");
	await send(update, [...created(1, 1, "a"), ...created(5, 3, "c")]);
	const { status, body } = await complete(update);
	assert.equal(status, 409);
	assert.match(String(body.message), /entries 3, 4 never arrived/);
	assert.deepEqual(await namesIn(door, stack), ["a", "c"]);
	assert.equal((await listEntries(world.db, update.id)).length, 4);
	await beginUpdate(door, stack);
});

test("a failed update may have gaps", async () => {
	const { stack, update } = await given("failed");
	await send(update, created(5, 3, "c"));
	assert.equal((await complete(update, "failed")).status, 204);
	assert.deepEqual(await namesIn(door, stack), ["c"]);
});

test("a state that the CLI would refuse to load does not count as succeeded", async () => {
	const { update } = await given("flawed");
	await send(
		update,
		created(1, 1, "a", { parent: "urn:pulumi:s::tests::x::none" }),
	);
	const { status, body } = await complete(update);
	assert.equal(status, 409);
	assert.match(String(body.message), /is not before it/);
});

test("properties hold whatever JSON can hold", async () => {
	const { stack, update } = await given("odd");
	const inputs =
		'{"__proto__":{"constructor":1},"\\u0000":"\\u0000\\ud800\u2028😀","big":1e21,"half":-0.5,"none":null,"list":[]}';
	const text = JSON.stringify({
		entries: [
			entry(1, {
				kind: 1,
				operationID: 1,
				state: resource("a", { inputs: "here" }),
			}),
		],
	}).replace('"here"', inputs);
	const { status } = await door("PATCH", `${update.path}/journalentries`, {
		lease: update.lease,
		body: text,
		gzip: true,
	});
	assert.equal(status, 204);
	for (const end of [false, true]) {
		if (end) assert.equal((await complete(update)).status, 204);
		const response = await fetch(`${world.backend.url}${stack}/export`, {
			headers: { authorization: `token ${world.token}` },
		});
		const exported: { deployment: { resources: { inputs: unknown }[] } } =
			JSON.parse(await response.text());
		assert.deepEqual(
			JSON.stringify(exported.deployment.resources[0]?.inputs),
			JSON.stringify(JSON.parse(inputs)),
		);
	}
});
