// What the run of a preview may do with the state of a stack: look, and ask what would be done.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { createOperationId } from "../../src/domain/ids.ts";
import { claimOperation } from "../../src/store/leases.ts";
import { createOperation, findOperation } from "../../src/store/operations.ts";
import { findStateSerial } from "../../src/store/previews.ts";
import {
	beginUpdate,
	completeUpdate,
	givenRun,
	makeDoor,
	openWorld,
	project,
	stackPath,
} from "./given.ts";

const world = await openWorld();
after(() => world.close());
const owner = await givenRun(world, "qa-1");
const door = makeDoor(world.backend.url, owner.token);
await door("POST", `/api/stacks/impresario/${project}`, {
	body: { stackName: owner.stack },
});
const stack = stackPath(owner.stack, project);
const create = await findOperation(world.db, owner.lease.operation, undefined);
if (create === undefined) throw new Error("there is no create");
const { environment } = create;

/** The token of a preview that a worker has begun beside the create. */
const token = await (async () => {
	const { id } = await createOperation(world.db, {
		id: createOperationId(),
		environment,
		kind: "preview",
		revisionFrom: null,
		revisionTo: null,
		requestedBy: "a test",
	});
	const claimed = await claimOperation(world.db, {
		id,
		owner: "test",
		maxAttempts: 5,
	});
	if (claimed === undefined) throw new Error("it waits for the create");
	return world.backend.issueRunToken(claimed.lease);
})();

test("a preview's run looks at the state and asks what would be done while another run moves the stack", async () => {
	const running = await beginUpdate(door, stack);
	for (const path of [stack, `${stack}/export`]) {
		assert.equal((await door("GET", path, { token })).status, 200, path);
	}
	const encrypted = await door("POST", `${stack}/batch-encrypt`, {
		token,
		body: { plaintexts: [] },
	});
	assert.equal(encrypted.status, 200);
	const preview = await beginUpdate(door, stack, { kind: "preview", token });
	const before = await findStateSerial(world.db, environment);
	assert.equal(before.isMoving, true);
	await completeUpdate(door, preview);
	assert.deepEqual(await findStateSerial(world.db, environment), before);
	await completeUpdate(door, running);
	const { version, isMoving } = await findStateSerial(world.db, environment);
	assert.deepEqual([version, isMoving], [running.version, false]);
});

test("a preview's run is refused whatever would change the state", async () => {
	const created = await door("POST", `${stack}/update`, {
		body: { options: {} },
	});
	const mine = `${stack}/update/${String(created.body.updateID)}`;
	for (const [method, path, body] of [
		["POST", `${stack}/update`, { options: {} }],
		["POST", `${stack}/destroy`, { options: { dryRun: false } }],
		["POST", `${stack}/refresh`, { options: { dryRun: false } }],
		["POST", mine, { journalVersion: 1 }],
		["POST", `${mine}/cancel`, undefined],
		["POST", `${stack}/import`, { version: 3, deployment: {} }],
		["PATCH", `${stack}/tags`, { a: "b" }],
		["DELETE", `${stack}?force=true`, undefined],
		["POST", `/api/stacks/impresario/${project}`, { stackName: "other" }],
	] as const) {
		const { status } = await door(method, path, { token, body });
		assert.equal(status, 403, `${method} ${path}`);
	}
	const { body } = await door("GET", stack, { token });
	assert.deepEqual(body.tags, {});
	// Its owner may do what it was refused.
	assert.equal(
		(await door("POST", mine, { body: { journalVersion: 1 } })).status,
		200,
	);
});
