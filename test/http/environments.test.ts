import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Asked, Declared } from "../../client/declared.ts";
import { currentVersions } from "../../src/domain/blueprint.ts";
import { parameters } from "../../src/domain/parameters.ts";
import { answered, refused } from "../support/answers.ts";
import { askByPath } from "../support/ask-by-path.ts";
import {
	type Door,
	endOperation,
	givenEnvironment,
	openDoor,
	readPointers,
} from "./door.ts";

let door: Door;
before(async () => {
	door = await openDoor();
});
after(() => door.close());

const names = (body: Record<string, unknown>) =>
	(body.items as { name: string }[]).map((item) => item.name);

test("an order that says only a name is answered with a queued operation", async () => {
	const answer = await door.operator.client.createEnvironment({
		body: { name: "qa-1" },
	});
	assert.equal(answer.kind, "create");
	assert.equal(answer.state, "queued");
	assert.deepEqual(answer.revision, { from: null, to: 1 });
	assert.equal(answer.requestedBy, "acme operator");
	assert.deepEqual(door.installation.sent, [answer.id]);

	const found = await door.viewer.client.findEnvironment({ id: "qa-1" });
	const { id, namespace, createdAt, updatedAt, ...rest } = found;
	assert.equal(id, answer.environment);
	assert.match(namespace, /^acme-qa-1-/);
	assert.ok(createdAt && updatedAt);
	assert.deepEqual(rest, {
		name: "qa-1",
		tenant: "acme",
		blueprint: { name: "maestro", version: currentVersions.maestro },
		release: "0.6.0",
		size: "small",
		parameters: parameters.parse({}),
		description: "",
		labels: {},
		lifecycle: "creating",
		health: "unknown",
		healthReasons: [],
		drift: null,
		onDrift: "report",
		revision: null,
		desiredRevision: 1,
		target: "sandbox",
		endpoints: null,
		versions: {},
		warnings: [],
		expiresAt: null,
		onExpiry: "destroy",
		failureTtl: null,
		cleanUpAt: null,
		clonedFrom: null,
		power: "on",
		schedule: null,
		nextTransition: null,
		activeOperation: answer.id,
	});
});

test("an environment is found by its id and, within the tenant, by its name", async () => {
	const { environment } = await givenEnvironment(door, "by-name");
	const byId = await door.viewer.client.findEnvironment({ id: environment.id });
	const byName = await door.viewer.client.findEnvironment({ id: "by-name" });
	assert.deepEqual(byName, byId);
});

test("a platform admin sees every tenant's by id, and by name only its own", async () => {
	const { environment } = await givenEnvironment(door, "for-admin");
	await door.platformAdmin.client.findEnvironment({ id: environment.id });
	const byName = await refused(
		door.platformAdmin.client.findEnvironment({ id: "for-admin" }),
	);
	assert.equal(byName.status, 404);
	const list = await door.platformAdmin.client.listEnvironments({
		name: "for-admin",
	});
	assert.deepEqual(names(list), ["for-admin"]);
});

test("a name that is taken is a conflict, and free for another tenant", async () => {
	await givenEnvironment(door, "taken");
	const order = (token: string) =>
		answered(door.as(token).createEnvironment({ body: { name: "taken" } }));
	const answer = await order(door.operator.token);
	assert.equal(answer.status, 409);
	assert.equal(answer.body.code, "conflict");
	assert.deepEqual(readPointers(answer), ["/name"]);
	assert.equal((await order(door.stranger.token)).status, 202);
});

test("labels and description change without an operation; what is not sent stays", async () => {
	const { environment } = await givenEnvironment(door);
	await door.operator.client.describeEnvironment({
		id: environment.id,
		body: { labels: { team: "red", a: "1" }, description: "first" },
	});
	const second = await door.operator.client.describeEnvironment({
		id: environment.id,
		body: { labels: { team: "blue" } },
	});
	assert.deepEqual(second.labels, { team: "blue" });
	assert.equal(second.description, "first");
	assert.equal(second.desiredRevision, 1);
});

test("a change of nothing, or of what needs an operation, is refused", async () => {
	const { environment } = await givenEnvironment(door);
	const nothing = await refused(
		door.operator.client.describeEnvironment({ id: environment.id, body: {} }),
	);
	assert.equal(nothing.status, 400);
	assert.deepEqual(readPointers(nothing), [""]);
	const path = `/v1/environments/${environment.id}`;
	const body = { size: "ha", name: "x" };
	const answer = await refused(
		askByPath(door.operator.client, ["PATCH", path, body]),
	);
	assert.equal(answer.status, 400);
	assert.deepEqual(readPointers(answer), ["", "/name", "/size"]);
});

test("destroying waits in line, and asked twice it is the same operation", async () => {
	const { environment, operation } = await givenEnvironment(door);
	await door.db
		.updateTable("operations")
		.set({ state: "running" })
		.where("id", "=", operation.id)
		.execute();
	const destroy = () =>
		answered(door.operator.client.destroyEnvironment({ id: environment.id }));
	const first = await destroy();
	assert.equal(first.status, 202);
	assert.equal(first.body.kind, "destroy");
	assert.deepEqual(first.body.revision, { from: null, to: null });
	assert.deepEqual(first.body.queue, {
		position: 1,
		waitingFor: operation.id,
		reason: `${operation.id} of the same environment must end first.`,
		expectedStartAt: null,
	});
	assert.equal((await destroy()).body.id, first.body.id);

	const list = await door.viewer.client.listOperations({ id: environment.id });
	assert.deepEqual(
		(list.items as { kind: string }[]).map(({ kind }) => kind),
		["destroy", "create"],
	);
	const found = await door.viewer.client.findEnvironment({
		id: environment.id,
	});
	assert.equal(found.activeOperation, operation.id);
	assert.equal(found.lifecycle, "destroying");
});

test("an environment without open operations has no active one", async () => {
	const { environment, operation } = await givenEnvironment(door);
	await endOperation(door.db, operation.id);
	const found = await door.viewer.client.findEnvironment({
		id: environment.id,
	});
	assert.equal(found.activeOperation, null);
});

test("the list is filtered by name, lifecycle and every label that is named", async () => {
	const { client } = door.operator;
	for (const [name, labels] of [
		["red-1", { team: "red", tier: "qa" }],
		["red-2", { team: "red", tier: "dev" }],
		["blue-1", { team: "blue", tier: "qa" }],
	] as const) {
		const body = { name, labels };
		await client.createEnvironment({ body });
	}
	for (const [query, expected] of [
		["label=team=red", ["red-2", "red-1"]],
		["label=team=red&label=tier=qa", ["red-1"]],
		["name=blue-1", ["blue-1"]],
		["label=team=red&lifecycle=ready", []],
		["label=team=red&lifecycle=creating", ["red-2", "red-1"]],
		["label=team=red&health=unknown", ["red-2", "red-1"]],
		["label=team=red&health=degraded", []],
	] as const) {
		const target = `/v1/environments?${query}`;
		const answer = await answered(askByPath(client, ["GET", target]));
		assert.deepEqual(names(answer.body), expected, query);
	}
});

test("the list has destroyed environments only when they are asked for", async () => {
	const { environment } = await givenEnvironment(door, "gone");
	await door.db
		.updateTable("environments")
		.set({ lifecycle: "destroyed" })
		.where("id", "=", environment.id)
		.execute();
	const list = async (asked: Asked<Declared["listEnvironments"]> = {}) => {
		const { client } = door.viewer;
		const { items } = await client.listEnvironments({ name: "gone", ...asked });
		return items.map(({ name }) => name);
	};
	assert.deepEqual(await list(), []);
	assert.deepEqual(await list({ lifecycle: "destroyed" }), ["gone"]);
});

test("another tenant's environments are in nobody else's list", async () => {
	const body = { name: "globex-only" };
	await door.stranger.client.createEnvironment({ body });
	const answer = await door.admin.client.listEnvironments({ pageSize: 200 });
	assert.ok(!names(answer).includes("globex-only"));
	assert.ok(!JSON.stringify(answer).includes("globex"));
});

test("revisions tell what was ordered", async () => {
	const { environment } = await givenEnvironment(door);
	const answer = await door.viewer.client.listRevisions({ id: environment.id });
	const [revision] = answer.items as Record<string, unknown>[];
	assert.ok(revision);
	const { createdAt, ...rest } = revision;
	assert.ok(createdAt);
	assert.deepEqual(rest, {
		environment: environment.id,
		number: 1,
		blueprint: { name: "maestro", version: currentVersions.maestro },
		release: "0.6.0",
		size: "small",
		parameters: parameters.parse({}),
		power: "on",
		basedOn: null,
	});
});

test("no secret of an environment is in any answer about it", async () => {
	const { environment, operation } = await givenEnvironment(door);
	const { client } = door.admin;
	for (const path of [
		`/v1/environments/${environment.id}`,
		`/v1/environments/${environment.id}/revisions`,
		`/v1/environments/${environment.id}/events`,
		`/v1/operations/${operation.id}`,
		"/v1/targets",
	]) {
		const answer = await answered(askByPath(client, ["GET", path]));
		assert.equal(answer.status, 200);
		assert.doesNotMatch(answer.text, /secret|password|kubeconfig|apiVersion:/i);
	}
});
