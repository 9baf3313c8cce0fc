// The demo of `npm start`, before an API on which nobody works.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { orderDemo } from "../../src/cli/demo.ts";
import type { EnvironmentId, OperationId } from "../../src/domain/ids.ts";
import { noChanges } from "../../src/domain/operation.ts";
import { Failure } from "../../src/failure.ts";
import { updateEnvironment } from "../../src/store/environments.ts";
import { appendEvents } from "../../src/store/events.ts";
import { begin, succeed } from "../http/cells.ts";
import { type Door, openDoor } from "../http/door.ts";
import { until } from "../support/until.ts";

let door: Door;
before(async () => {
	door = await openDoor();
});
after(() => door.close());

/** The demo, and what it has said so far. */
function show(token = door.operator.token) {
	const lines: string[] = [];
	const leave = new AbortController();
	const over = orderDemo({
		url: door.url,
		token,
		print: (line) => lines.push(line),
		signal: leave.signal,
	});
	over.catch(() => {});
	return { over, lines, leave };
}

const findOperation = () =>
	until("it was ordered", async () => {
		const [operation] = (await door.viewer.client.listAllOperations()).items;
		return operation;
	});

test("who may not order is told why it could not be", async () => {
	await assert.rejects(
		show(door.viewer.token).over,
		(error) =>
			error instanceof Failure &&
			/^The demo environment could not be ordered: .*operator/.test(
				error.message,
			),
	);
});

test("who leaves in the middle is not waited for", async () => {
	const { over, lines, leave } = show();
	await findOperation();
	await until("it follows", () => door.countFollowers() === 1);
	leave.abort();
	await assert.rejects(over, { name: "AbortError" });
	assert.deepEqual(lines, ['Ordering the environment "demo" (size small)']);
	await until("nobody follows", () => door.countFollowers() === 0);
});

test("what is under way already is shown to its end, with its addresses", async () => {
	const { over, lines } = show();
	const found = await findOperation();
	const id = found.id as OperationId;
	const environment = found.environment as EnvironmentId;
	await until("it follows", () => door.countFollowers() === 1);
	await begin(door, id, "create");
	const at = "https://demo.maestro.localhost";
	const told = { environment, operation: id };
	// At once, as its owner does it: who follows is told all of it before the end.
	await door.db.transaction().execute(async (db) => {
		await succeed(db, id, "create");
		await updateEnvironment(db, environment, {
			endpoints: { client: at, server: `${at}/api`, websocket: `${at}/ws` },
		});
		await appendEvents(db, told, [
			{ type: "phase.started", data: { phase: "applying" } },
			{
				type: "phase.succeeded",
				data: { phase: "applying", durationMs: 1_234 },
			},
			{
				type: "operation.succeeded",
				data: { kind: "create", changes: noChanges },
			},
		]);
	});
	await over;
	const { namespace } = await door.viewer.client.findEnvironment({
		id: "demo",
	});
	assert.deepEqual(lines, [
		"  applying …",
		"  applying took 1.2 s, 0 resources",
		`The environment "demo" is ready, in the namespace ${namespace}`,
		`  client          ${at}`,
		`  server          ${at}/api`,
		`  websocket       ${at}/ws`,
	]);
});

test("what is there is not ordered again", async () => {
	const { over, lines } = show();
	await over;
	assert.equal(lines[0], 'The environment "demo" is there already');
	assert.match(lines[1] ?? "", /^The environment "demo" is ready/);
	const { items } = await door.viewer.client.listAllOperations();
	assert.equal(items.length, 1);
});
