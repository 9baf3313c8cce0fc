import assert from "node:assert/strict";
import { after, test } from "node:test";
import {
	beginUpdate,
	completeUpdate,
	created,
	entry,
	freeProject,
	givenStack,
	listIn,
	makeDoor,
	namesIn,
	openWorld,
	resource,
	sendEntries,
	stackPath,
} from "./given.ts";

const world = await openWorld();
after(() => world.close());
const door = makeDoor(world.backend.url, world.token);

const secret = {
	"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270",
	ciphertext: "AAAA",
};
const stateOf = (deployment: object, part: object = {}) => ({
	version: 3,
	deployment,
	...part,
});
const importInto = (stack: string, state: unknown) =>
	door("POST", `${stack}/import`, { body: state, gzip: true });
const exportOf = async (stack: string) =>
	(await door("GET", `${stack}/export`)).body;

test("a new stack's state is empty and readable", async () => {
	const stack = await givenStack(door, "new");
	assert.deepEqual(await exportOf(stack), { version: 3, deployment: {} });
});

test("the state that a stack is made with is kept, whatever its secrets provider", async () => {
	const provider = { type: "passphrase", state: { salt: "v1:abc" } };
	await door("POST", `/api/stacks/impresario/${freeProject}`, {
		body: {
			stackName: "with-state",
			state: stateOf({ secrets_providers: provider }),
		},
	});
	const { deployment } = await exportOf(stackPath("with-state"));
	assert.deepEqual(deployment?.secrets_providers, provider);
});

test("an import is a version of its own, with its features, and is over at once", async () => {
	const stack = await givenStack(door, "imported");
	const resources = [resource("a", { taint: true })];
	const state = stateOf({ resources }, { version: 4, features: ["taint"] });
	const { status, body } = await importInto(stack, state);
	assert.equal(status, 200);
	const poll = await door("GET", `${stack}/update/${String(body.updateId)}`);
	assert.deepEqual(poll.body, { status: "succeeded", events: [] });
	assert.deepEqual(await exportOf(stack), state);
	const { body: past } = await door("GET", `${stack}/updates/latest`);
	assert.deepEqual([past.info?.kind, past.info?.version], ["import", 1]);
});

test("an import is refused while an update runs", async () => {
	const stack = await givenStack(door, "busy");
	const update = await beginUpdate(door, stack);
	assert.equal((await importInto(stack, stateOf({}))).status, 409);
	await completeUpdate(door, update);
	assert.equal((await importInto(stack, stateOf({}))).status, 200);
});

test("every finished state can be had by its number", async () => {
	const stack = await givenStack(door, "versions");
	for (const name of ["a", "b"]) {
		const update = await beginUpdate(door, stack);
		await sendEntries(door, update, created(1, 1, name));
		await completeUpdate(door, update);
	}
	await importInto(stack, stateOf({ resources: [resource("c")] }));
	const update = await beginUpdate(door, stack);
	await completeUpdate(door, update, "failed");
	const all = [1, 2, 3, 4].map((version) => namesIn(door, stack, version));
	assert.deepEqual(await Promise.all(all), [["a"], ["b", "a"], ["c"], ["c"]]);
	assert.equal((await door("GET", `${stack}/export/5`)).status, 404);
});

test("until an entry has come an update's client gets the very base that its entries count in", async () => {
	const stack = await givenStack(door, "base");
	const resources = [resource("b", { aliases: ["x"] }), resource("a")];
	await importInto(stack, stateOf({ resources }));
	await beginUpdate(door, stack);
	assert.deepEqual((await exportOf(stack)).deployment, { resources });
});

test("secrets are decrypted where the state was fetched, whatever it remembers", async () => {
	const stack = await givenStack(door, "moved");
	const provider = {
		type: "service",
		state: {
			url: "http://gone.test",
			owner: "o",
			project: "p",
			stack: "s",
			insecure: true,
		},
	};
	await importInto(stack, stateOf({ secrets_providers: provider }));
	const { port } = new URL(world.backend.url);
	for (const url of [
		`http://127.0.0.1:${port}`,
		`http://localhost:${port}`,
		`http://127.0.0.1:${port}/some/prefix`,
	]) {
		const { body } = await makeDoor(url, world.token)("GET", `${stack}/export`);
		assert.deepEqual(body.deployment?.secrets_providers, {
			type: "service",
			state: {
				url,
				owner: "impresario",
				project: freeProject,
				stack: "moved",
				insecure: true,
			},
		});
	}
});

test("a state with secrets and without a provider gets ours; others stay as they are", async () => {
	const stack = await givenStack(door, "providers");
	const given = async (deployment: object) => {
		await importInto(stack, stateOf(deployment));
		return (await exportOf(stack)).deployment?.secrets_providers;
	};
	const resources = [resource("a", { outputs: { x: secret } })];
	assert.equal((await given({ resources }))?.type, "service");
	assert.equal(await given({ resources: [resource("a")] }), undefined);
	const passphrase = { type: "passphrase", state: { salt: "x" } };
	assert.deepEqual(
		await given({ resources, secrets_providers: passphrase }),
		passphrase,
	);
});

for (const { route, wrap } of [
	{ route: "checkpoint", wrap: (state: object) => state },
	{
		route: "checkpointverbatim",
		wrap: (state: object, sequenceNumber: number) => ({
			version: 3,
			sequenceNumber,
			untypedDeployment: state,
		}),
	},
]) {
	test(`a client without a journal sends whole states to ${route}`, async () => {
		const stack = await givenStack(door, route);
		const created = await door("POST", `${stack}/update`, { body: {} });
		const path = `${stack}/update/${String(created.body.updateID)}`;
		const { body } = await door("POST", path, { body: {} });
		const lease = String(body.token);
		for (const [number, name] of ["a", "b"].entries()) {
			const { status } = await door("PATCH", `${path}/${route}`, {
				lease,
				gzip: true,
				body: wrap(stateOf({ resources: [resource(name)] }), number + 1),
			});
			assert.equal(status, 204);
		}
		assert.deepEqual(await namesIn(door, stack), ["b"]);
		await completeUpdate(door, { path, lease });
		assert.deepEqual(await namesIn(door, stack), ["b"]);
	});
}

test("a whole state that arrives late replaces no later one", async () => {
	const stack = await givenStack(door, "late-state");
	const update = await beginUpdate(door, stack);
	for (const [sequenceNumber, name] of [
		[2, "second"],
		[1, "first"],
	] as const) {
		await door("PATCH", `${update.path}/checkpointverbatim`, {
			lease: update.lease,
			body: {
				sequenceNumber,
				untypedDeployment: stateOf({ resources: [resource(name)] }),
			},
		});
	}
	assert.deepEqual(await namesIn(door, stack), ["second"]);
});

test("an invalid checkpoint is no state", async () => {
	const stack = await givenStack(door, "invalid");
	const update = await beginUpdate(door, stack);
	const { status } = await door("PATCH", `${update.path}/checkpoint`, {
		lease: update.lease,
		body: { isInvalid: true, version: 0 },
	});
	assert.equal(status, 204);
	assert.deepEqual(await exportOf(stack), { version: 3, deployment: {} });
});

test("a state of 20 MB goes in and out, gzipped and plain", async () => {
	const stack = await givenStack(door, "huge");
	const resources = Array.from({ length: 20 }, (_, index) =>
		resource(`r${index}`, { outputs: { text: "x".repeat(1_000_000) } }),
	);
	const text = JSON.stringify(stateOf({ resources }));
	for (const gzip of [true, false]) {
		const { status } = await door("POST", `${stack}/import`, {
			body: text,
			gzip,
		});
		assert.equal(status, 200);
	}
	assert.equal(
		listIn((await exportOf(stack)).deployment?.resources).length,
		20,
	);
});

test("features of a journal reach the export", async () => {
	const stack = await givenStack(door, "features");
	const update = await beginUpdate(door, stack);
	await sendEntries(door, update, [
		entry(1, {
			kind: 1,
			operationID: 1,
			state: resource("a", { taint: true }),
		}),
	]);
	await completeUpdate(door, update);
	const { version, features } = await exportOf(stack);
	assert.deepEqual([version, features], [4, ["taint"]]);
});
