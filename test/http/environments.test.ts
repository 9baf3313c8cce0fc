import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { currentVersions } from "../../src/domain/blueprint.ts";
import { parameters } from "../../src/domain/parameters.ts";
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
	const answer = await door.call("POST", "/v1/environments", {
		token: door.operator.token,
		body: { name: "qa-1" },
	});
	assert.equal(answer.status, 202);
	assert.equal(answer.body.kind, "create");
	assert.equal(answer.body.state, "queued");
	assert.deepEqual(answer.body.revision, { from: null, to: 1 });
	assert.equal(answer.body.requestedBy, "acme operator");
	assert.deepEqual(door.installation.sent, [answer.body.id]);

	const found = await door.call("GET", "/v1/environments/qa-1", {
		token: door.viewer.token,
	});
	const { id, namespace, createdAt, updatedAt, ...rest } = found.body;
	assert.equal(id, answer.body.environment);
	assert.match(String(namespace), /^acme-qa-1-/);
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
		revision: null,
		desiredRevision: 1,
		target: "sandbox",
		endpoints: null,
		versions: {},
		warnings: [],
		power: "on",
		schedule: null,
		nextTransition: null,
		activeOperation: answer.body.id,
	});
});

test("an environment is found by its id and, within the tenant, by its name", async () => {
	const { environment } = await givenEnvironment(door, "by-name");
	const byId = await door.call("GET", `/v1/environments/${environment.id}`, {
		token: door.viewer.token,
	});
	const byName = await door.call("GET", "/v1/environments/by-name", {
		token: door.viewer.token,
	});
	assert.equal(byId.status, 200);
	assert.deepEqual(byName.body, byId.body);
});

test("a platform admin sees every tenant's by id, and by name only its own", async () => {
	const { environment } = await givenEnvironment(door, "for-admin");
	const { token } = door.platformAdmin;
	const byId = await door.call("GET", `/v1/environments/${environment.id}`, {
		token,
	});
	assert.equal(byId.status, 200);
	const byName = await door.call("GET", "/v1/environments/for-admin", {
		token,
	});
	assert.equal(byName.status, 404);
	const list = await door.call("GET", "/v1/environments?name=for-admin", {
		token,
	});
	assert.deepEqual(names(list.body), ["for-admin"]);
});

test("a name that is taken is a conflict, and free for another tenant", async () => {
	await givenEnvironment(door, "taken");
	const order = (token: string) =>
		door.call("POST", "/v1/environments", { token, body: { name: "taken" } });
	const answer = await order(door.operator.token);
	assert.equal(answer.status, 409);
	assert.equal(answer.body.code, "conflict");
	assert.deepEqual(readPointers(answer), ["/name"]);
	assert.equal((await order(door.stranger.token)).status, 202);
});

test("labels and description change without an operation; what is not sent stays", async () => {
	const { environment } = await givenEnvironment(door);
	const path = `/v1/environments/${environment.id}`;
	const { token } = door.operator;
	const first = await door.call("PATCH", path, {
		token,
		body: { labels: { team: "red", a: "1" }, description: "first" },
	});
	assert.equal(first.status, 200);
	const second = await door.call("PATCH", path, {
		token,
		body: { labels: { team: "blue" } },
	});
	assert.deepEqual(second.body.labels, { team: "blue" });
	assert.equal(second.body.description, "first");
	assert.equal(second.body.desiredRevision, 1);
});

test("a change of nothing, or of what needs an operation, is refused", async () => {
	const { environment } = await givenEnvironment(door);
	for (const [body, pointers] of [
		[{}, [""]],
		[{ size: "ha", name: "x" }, ["", "/name", "/size"]],
	] as const) {
		const answer = await door.call(
			"PATCH",
			`/v1/environments/${environment.id}`,
			{ token: door.operator.token, body },
		);
		assert.equal(answer.status, 400);
		assert.deepEqual(readPointers(answer), pointers);
	}
});

test("destroying waits in line, and asked twice it is the same operation", async () => {
	const { environment, operation } = await givenEnvironment(door);
	await door.db
		.updateTable("operations")
		.set({ state: "running" })
		.where("id", "=", operation.id)
		.execute();
	const destroy = () =>
		door.call("DELETE", `/v1/environments/${environment.id}`, {
			token: door.operator.token,
		});
	const first = await destroy();
	assert.equal(first.status, 202);
	assert.equal(first.body.kind, "destroy");
	assert.deepEqual(first.body.revision, { from: null, to: null });
	assert.deepEqual(first.body.queue, { position: 1, waitingFor: operation.id });
	assert.equal((await destroy()).body.id, first.body.id);

	const list = await door.call(
		"GET",
		`/v1/environments/${environment.id}/operations`,
		{ token: door.viewer.token },
	);
	assert.deepEqual(
		(list.body.items as { kind: string }[]).map(({ kind }) => kind),
		["destroy", "create"],
	);
	const found = await door.call("GET", `/v1/environments/${environment.id}`, {
		token: door.viewer.token,
	});
	assert.equal(found.body.activeOperation, operation.id);
	assert.equal(found.body.lifecycle, "destroying");
});

test("an environment without open operations has no active one", async () => {
	const { environment, operation } = await givenEnvironment(door);
	await endOperation(door.db, operation.id);
	const found = await door.call("GET", `/v1/environments/${environment.id}`, {
		token: door.viewer.token,
	});
	assert.equal(found.body.activeOperation, null);
});

test("the list is filtered by name, lifecycle and every label that is named", async () => {
	const { token } = door.operator;
	for (const [name, labels] of [
		["red-1", { team: "red", tier: "qa" }],
		["red-2", { team: "red", tier: "dev" }],
		["blue-1", { team: "blue", tier: "qa" }],
	] as const) {
		const body = { name, labels };
		const answer = await door.call("POST", "/v1/environments", { token, body });
		assert.equal(answer.status, 202);
	}
	for (const [query, expected] of [
		["label=team=red", ["red-2", "red-1"]],
		["label=team=red&label=tier=qa", ["red-1"]],
		["name=blue-1", ["blue-1"]],
		["label=team=red&lifecycle=ready", []],
		["label=team=red&lifecycle=creating", ["red-2", "red-1"]],
	] as const) {
		const answer = await door.call("GET", `/v1/environments?${query}`, {
			token,
		});
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
	const list = async (query: string) =>
		names(
			(
				await door.call("GET", `/v1/environments?name=gone${query}`, {
					token: door.viewer.token,
				})
			).body,
		);
	assert.deepEqual(await list(""), []);
	assert.deepEqual(await list("&lifecycle=destroyed"), ["gone"]);
});

test("another tenant's environments are in nobody else's list", async () => {
	const { token } = door.stranger;
	const body = { name: "globex-only" };
	await door.call("POST", "/v1/environments", { token, body });
	const answer = await door.call("GET", "/v1/environments?pageSize=200", {
		token: door.admin.token,
	});
	assert.ok(!names(answer.body).includes("globex-only"));
	assert.ok(!answer.text.includes("globex"));
});

test("revisions tell what was ordered", async () => {
	const { environment } = await givenEnvironment(door);
	const answer = await door.call(
		"GET",
		`/v1/environments/${environment.id}/revisions`,
		{ token: door.viewer.token },
	);
	const [revision] = answer.body.items as Record<string, unknown>[];
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
	const { token } = door.admin;
	for (const path of [
		`/v1/environments/${environment.id}`,
		`/v1/environments/${environment.id}/revisions`,
		`/v1/environments/${environment.id}/events`,
		`/v1/operations/${operation.id}`,
		"/v1/targets",
	]) {
		const answer = await door.call("GET", path, { token });
		assert.equal(answer.status, 200);
		assert.doesNotMatch(answer.text, /secret|password|kubeconfig|apiVersion:/i);
	}
});
